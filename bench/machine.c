/* SPDX-License-Identifier: MIT */

/* See machine.h. */

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <ktls/ktls.h>

#include "machine.h"
#include "rival_gnutls.h"

enum {
	LINE_LEN = 1024,
};

static void set_text(json_t *facts, const char *name, const char *text)
{
	if (text && *text)
		json_object_set_new(facts, name, json_string(text));
}

/* The first line of a file, or of what begins so in it, from behind `label` on. */
static void set_line(json_t *facts, const char *name, const char *path, const char *label)
{
	char line[LINE_LEN];
	FILE *file = fopen(path, "re");

	while (file && fgets(line, sizeof(line), file)) {
		char *text = line + strlen(label);

		if (strncmp(line, label, strlen(label)))
			continue;
		text += strspn(text, " \t:");
		text[strcspn(text, "\n")] = '\0';
		set_text(facts, name, text);
		break;
	}
	if (file)
		fclose(file);
}

/* What each of /sys/devices/system/cpu/vulnerabilities says costs time here. */
static void set_mitigations(json_t *facts)
{
	static const char *const names[] = { "meltdown",	  "spectre_v1", "spectre_v2",
					     "spec_store_bypass", "mds",	"retbleed" };
	json_t *list = json_object();
	char path[LINE_LEN];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/vulnerabilities/%s",
			 names[i]);
		set_line(list, names[i], path, "");
	}
	if (json_object_size(list))
		json_object_set(facts, "mitigations", list);
	json_decref(list);
}

/* Which of the kernel's drivers has the cipher of the measurements, where the kernel has TLS. */
static void set_driver(json_t *facts)
{
	struct ktls_crypto_driver driver;
	struct ktls_system system;
	char text[LINE_LEN];

	if (ktls_system_read(&system, sizeof(system)) || system.ulp != KTLS_ANSWER_YES ||
	    ktls_crypto_driver_read(KTLS_AES_128_GCM, &driver, sizeof(driver)))
		return;
	snprintf(text, sizeof(text), "%s (%s)", driver.driver,
		 ktls_crypto_speed_name(driver.speed));
	set_text(facts, "cipher_driver", text);
}

/* What the device puts together and takes apart, so that a packet in the kernel is not one of the
 * MTU. */
static void set_segmentation(json_t *facts, const char *device)
{
	static const struct {
		const char *name;
		uint32_t command;
	} features[] = { { "tso", ETHTOOL_GTSO },
			 { "gso", ETHTOOL_GGSO },
			 { "gro", ETHTOOL_GGRO } };
	char text[LINE_LEN] = "";
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	for (size_t i = 0; fd >= 0 && i < sizeof(features) / sizeof(*features); i++) {
		struct ethtool_value value = { .cmd = features[i].command };
		struct ifreq request = { .ifr_data = (char *)&value };
		size_t n = strlen(text);

		snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
		if (!ioctl(fd, SIOCETHTOOL, &request))
			snprintf(text + n, sizeof(text) - n, "%s%s %s", n ? ", " : "",
				 features[i].name, value.data ? "on" : "off");
	}
	if (fd >= 0)
		close(fd);
	set_text(facts, "segmentation", text);
}

static void set_device(json_t *facts, int fd)
{
	struct ktls_device device;
	int r = fd < 0 ? ktls_device_by_name("lo", &device, sizeof(device))
		       : ktls_device_of_fd(fd, &device, sizeof(device));

	if (r)
		return;
	set_text(facts, "device", device.name);
	set_text(facts, "device_kind", device.kind);
	json_object_set_new(facts, "mtu", json_integer(device.mtu));
	set_segmentation(facts, device.name);
	set_text(facts, "device_tls_tx", ktls_device_state_name(device.feature[KTLS_DEVICE_TX]));
	set_text(facts, "device_tls_rx", ktls_device_state_name(device.feature[KTLS_DEVICE_RX]));
}

json_t *machine_json(int fd)
{
	json_t *facts = json_object();
	struct utsname system;

	if (!uname(&system)) {
		set_text(facts, "kernel", system.release);
		set_text(facts, "architecture", system.machine);
	}
	set_line(facts, "cpu", "/proc/cpuinfo", "model name");
	json_object_set_new(facts, "cpus", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
	set_mitigations(facts);
	set_driver(facts);
	set_device(facts, fd);
	set_line(facts, "tcp_notsent_lowat", "/proc/sys/net/ipv4/tcp_notsent_lowat", "");
	set_text(facts, "libktls", ktls_version());
	set_text(facts, "gnutls", rival_version());
	return facts;
}

void machine_print(const json_t *facts, FILE *stream)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)facts, name, value)
	{
		if (json_is_string(value))
			fprintf(stream, "%-18s %s\n", name, json_string_value(value));
		else if (json_is_integer(value))
			fprintf(stream, "%-18s %lld\n", name, (long long)json_integer_value(value));
	}
}

const char *machine_boot(void)
{
	static char id[LINE_LEN];
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (!file || !fgets(id, sizeof(id), file))
		*id = '\0';
	if (file)
		fclose(file);
	id[strcspn(id, "\n")] = '\0';
	return id;
}
