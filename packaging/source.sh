# shellcheck shell=sh
# The source of a Debian package of a newer suite than this machine's, by apt, with nothing changed on
# the machine. For packaging/deps and for tests that need a library to talk to; source it, then
#
#   say WORDS..                  what to call this: defined by whoever sources it
#   logged LOG COMMAND..         runs a command with its output in a log; a failure shows the end of it
#   fetch_source PACKAGE MINIMUM LOG   downloads the source of the first suite that is new enough: $tarball
#                                in $apt, a folder that the caller removes, whose name is there early
set -eu

# Debian's suites, the most settled first.
SUITES='stable testing unstable'

# Runs a command with its output in a log; a failure shows the end of it.
logged() # LOG COMMAND...
{
	log=$1
	shift
	"$@" >"$log" 2>&1 </dev/null && return 0
	tail -n 25 "$log" >&2
	say "failed: $*; all of the output is in $log"
	return 1
}

# Where this machine gets Debian from; its own configuration says so.
debian_uri()
{
	# shellcheck disable=SC2016 # apt's own words, not the shell's
	uri=$(apt-get indextargets \
		--format '$(REPO_URI) $(ORIGIN) $(COMPONENT) $(CREATED_BY) $(SUITE)' |
		awk '$2 == "Debian" && $3 == "main" && $4 == "Packages" && $5 !~ /-security$/ {
			print $1; exit }')
	# Without lists the names of origins are unknown; the addresses are known nevertheless.
	# The security archive has no other suites than its own.
	[ -n "$uri" ] || uri=$(apt-get --print-uris update | tr -d "'" |
		sed -n '/-security\/InRelease /d; s,/dists/.*/InRelease .*,/,p' | head -n 1)
	[ -n "$uri" ] && printf '%s\n' "$uri"
}

# Root need not be root to download: this runs a command as somebody without rights, if it can.
unprivileged() # COMMAND...
{
	user=_apt
	id "$user" >/dev/null 2>&1 || user=nobody
	if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
		setpriv --reuid="$user" --regid=nogroup --clear-groups -- "$@"
	else
		"$@"
	fi
}

# apt with folders and sources of its own, so that the system's stay as they are.
private() # TOOL ARGUMENT...
{
	tool=$1
	shift
	(cd "$apt" && unprivileged "$tool" -o "Dir::State=$apt/state" \
		-o "Dir::State::Lists=$apt/lists" -o "Dir::Cache=$apt/cache" \
		-o "Dir::Cache::Archives=$apt/cache/archives" \
		-o "Dir::Etc::SourceList=$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		"$@")
}

newest() # the highest of the versions on stdin
{
	best=
	while read -r v; do
		dpkg --compare-versions "$v" gt "$best" && best=$v
	done
	printf '%s\n' "$best"
}

# Finds the version to take, in the first suite that has one; leaves apt's lists at that suite.
find_version() # URI PACKAGE MINIMUM LOG
{
	ring=$(find /usr/share/keyrings -name 'debian-archive-keyring.*' 2>/dev/null | sort | head -n 1)
	for suite in $SUITES; do
		rm -rf "$apt/lists" "$apt/cache"
		mkdir -p "$apt/state" "$apt/lists/partial" "$apt/cache/archives/partial"
		printf 'deb-src %s%s %s main\n' "${ring:+[signed-by=$ring] }" "$1" "$suite" \
			>"$apt/sources.list"
		[ "$(id -u)" -ne 0 ] || chown -R "$(unprivileged id -u)" "$apt"
		logged "$4" private apt-get update || continue
		version=$(private apt-cache showsrc "$2" 2>/dev/null |
			sed -n 's/^Version: //p' | newest)
		say "Debian $suite has $2 ${version:-not}"
		dpkg --compare-versions "${version:-0}" ge "$3" && return 0
	done
	say "no suite of Debian offers $2 $3 or newer"
	return 1
}

# Downloads the source; apt checks it against the signed index.
fetch_source() # PACKAGE MINIMUM LOG
{
	uri=$(debian_uri) || {
		say 'apt knows no Debian archive on this machine'
		return 1
	}
	# Not in the caller's folder, where somebody without rights may not enter.
	apt=$(mktemp -d) && chmod 755 "$apt" || return 1
	find_version "$uri" "$1" "$2" "$3" || return 1
	say "fetching the source of $1 $version"
	logged "$3" private apt-get source --download-only --tar-only "$1=$version" || {
		say "the source of $1 $version could not be fetched;" \
			'with 404, the index and the archive differ for the moment'
		return 1
	}
	# shellcheck disable=SC2034 # for whoever sources this
	tarball=$(find "$apt" -maxdepth 1 -name "$1_*.orig.tar.*" ! -name '*.asc')
}
