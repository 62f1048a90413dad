# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What the scripts beside this file share: messages, the cache directory, packages installed with
# apt, and packages that are only unpacked into the cache. Source it; it runs nothing by itself.
#
# "Unpacked" is for what must not be installed: kernels (boot loader, initramfs hooks) and daemons
# that the package would start. They come through apt with signatures checked, from the mirror that
# this machine's own apt uses, with a state of their own, so that the system's sources stay as they are.

PATH=$PATH:/usr/sbin:/sbin # an ordinary user's has not got modprobe, depmod, nginx
cache=${XDG_CACHE_HOME:-$HOME/.cache}/ktls-lab
# shellcheck disable=SC2034  # for those who run nginx: where it is, if it is not installed
nginx_dir=$cache/nginx/usr/sbin
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

die() {
	say "$*"
	exit 125
}

# The names among the arguments of packages that are not installed.
missing_packages() {
	local state
	state=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || true)
	printf '%s\n' "$@" | grep -vxF -f <(sed -n 's/^installed //p' <<<"$state") || true
}

# Runs apt-get as root. Output is shown only if it fails: it is long, and uninteresting otherwise.
apt_as_root() {
	local sudo=() log
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null ||
			die "packages are missing and neither root nor sudo is at hand; as root: apt-get $*"
		sudo=(sudo)
	fi
	log=$("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get "$@" 2>&1 </dev/null) && return
	printf '%s\n' "$log" >&2
	die "apt-get $* failed (see above)"
}

# Installs what is missing of the packages named, and does nothing, network included, if nothing is.
install_packages() {
	local missing
	mapfile -t missing < <(missing_packages "$@")
	[ "${#missing[@]}" != 0 ] || return 0
	say "installing ${missing[*]}"
	apt_as_root -q update
	apt_as_root -q install -y --no-install-recommends "${missing[@]}"
}

# The addresses (without /dists/...) of the archives that this machine's apt is configured with and
# that have a component "main" in a suite whose name matches the pattern.
apt_archives() {
	apt-get --print-uris update 2>/dev/null |
		sed -nE "s,^'([^']+)/dists/($1)/main/binary-[^']*' .*,\1,p" | awk '!seen[$0]++'
}

# apt_begin DIR ARCHIVE SUITE [ARCHIVE SUITE]... makes a private apt in DIR and fetches its indexes.
apt_begin() {
	local dir=$1
	shift
	mkdir -p "$dir/state/lists/partial" "$dir/cache/archives/partial" "$dir/none"
	: >"$dir/status"
	: >"$dir/lab.sources"
	while [ $# != 0 ]; do
		printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n\n' \
			"$1" "$2" "$keyring" >>"$dir/lab.sources"
		shift 2
	done
	cat >"$dir/apt.conf" <<-END
		Dir::State "$dir/state";
		Dir::State::status "$dir/status";
		Dir::Cache "$dir/cache";
		Dir::Etc::sourcelist "$dir/lab.sources";
		Dir::Etc::sourceparts "$dir/none";
		Dir::Etc::preferences "$dir/none/preferences";
		Dir::Etc::preferencesparts "$dir/none";
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
		APT::Update::Error-Mode "any";
		APT::Sandbox::User "root";
		APT::Get::AllowUnauthenticated "false";
		Acquire::AllowInsecureRepositories "false";
		Acquire::AllowWeakRepositories "false";
		Acquire::Languages "none";
		Acquire::Retries "3";
	END
	apt-get -c "$dir/apt.conf" -q update >"$dir/log" 2>&1 </dev/null
}

# apt_begin_suites DIR SUITE... does so with the first archives of this machine's that have, and sign,
# these suites: others than Debian's own may use the same names for theirs.
apt_begin_suites() {
	local dir=$1 suite main security sources
	shift
	for main in $(apt_archives '[a-z]+'); do
		security=$(apt_archives '[a-z]+-security' | head -1)
		sources=()
		for suite; do
			case $suite in
			*-security) [ -z "$security" ] || sources+=("$security" "$suite") ;;
			*) sources+=("$main" "$suite") ;;
			esac
		done
		rm -rf "$dir"
		apt_begin "$dir" "${sources[@]}" && return
	done
	[ ! -s "$dir/log" ] || tail -5 "$dir/log" >&2
	return 1
}

# apt_unpack DIR ROOT PACKAGE... downloads packages with the private apt in DIR and unpacks them below ROOT.
apt_unpack() {
	local dir=$1 root=$2 deb
	shift 2
	mkdir -p "$dir/debs" "$root"
	(cd "$dir/debs" && apt-get -c "$dir/apt.conf" -q download "$@" >"$dir/log" 2>&1 </dev/null) || {
		tail -5 "$dir/log" >&2
		return 1
	}
	for deb in "$dir/debs"/*.deb; do
		dpkg -x "$deb" "$root" || return
		rm "$deb"
	done
}

# Packages of the private apt in DIR and all that they need, down to libc: what apt would install on an empty machine.
apt_closure() {
	local dir=$1
	shift
	apt-get -c "$dir/apt.conf" -s --no-install-recommends install "$@" 2>"$dir/log" </dev/null |
		sed -n 's/^Inst \([^ ]*\) .*/\1/p'
}

# The libraries that a package of the private apt in DIR needs: to be installed beside what is unpacked.
apt_libraries() {
	apt-cache -c "$1/apt.conf" depends --important "$2" | sed -nE 's/^ *Depends: <?(lib[^<>:]*)>?$/\1/p'
}

# fetch_once NAME BUILD SUITE... makes the directory NAME in the cache, unless it is there. The
# function BUILD gets a directory with a private apt for these suites in apt/ and fills result/.
# Whoever wants the same meanwhile waits; the directory appears under its name only when it is complete.
# BUILD must not count on errexit: it is off where fetch_once stands in a condition.
fetch_once() (
	name=$1 build=$2
	shift 2
	target=$cache/$name
	hidden=$(dirname "$target")/.$(basename "$target")
	[ ! -d "$target" ] || exit 0
	mkdir -p "$(dirname "$target")" || die "cannot write to $cache"
	exec {lock}>"$hidden.lock"
	flock -n "$lock" || { say "waiting for another process that fetches $name" && flock "$lock"; }
	[ ! -d "$target" ] || exit 0
	rm -rf "$hidden".??????
	tmp=$(mktemp -d "$hidden.XXXXXX") || die "cannot write to $cache"
	trap 'rm -rf "$tmp"' EXIT
	trap 'exit 130' INT TERM
	say "fetching $name"
	apt_begin_suites "$tmp/apt" "$@" || die "no archive that apt is configured with gives $* (is there a network?)"
	"$build" "$tmp" || die "$name could not be fetched"
	mv "$tmp/result" "$target"
)
