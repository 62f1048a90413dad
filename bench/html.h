/* SPDX-License-Identifier: MIT */
#ifndef BENCH_HTML_H
#define BENCH_HTML_H

/*
 * Text into HTML and SVG. What is neither a literal nor a number of the program's goes through
 * here, so that no name ends an element or an attribute. Also what XML cannot hold is replaced.
 */

#include <stdio.h>

void html_text(FILE *stream, const char *text);

/* At most so many columns of it, the last of which says that there is more. */
void html_short(FILE *stream, const char *text, unsigned int columns);

/* How many columns the text has on a terminal, about. */
unsigned int html_columns(const char *text);

/* So that four digits tell; "-" of what is no number. */
void html_number(FILE *stream, double value);

/* <TAG>text</TAG>; the tag may have attributes, and is a literal. */
void html_element(FILE *stream, const char *tag, const char *text);

#endif
