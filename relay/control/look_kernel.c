/* Whether the kernel has what our table is made of; what is not loaded but can be is no fault. */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include "look.h"
#include "look_int.h"

static const struct {
	const char *module; /* also its name among those that are built in */
	const char *option; /* that the kernel was made with */
	const char *package; /* of OpenWrt */
	const char *rule;
} parts[LOOK_PARTS] = {
	[LOOK_NF_TABLES] = { "nf_tables", "CONFIG_NF_TABLES_INET", "kmod-nft-core", "" },
	[LOOK_TPROXY] = { "nft_tproxy", "CONFIG_NFT_TPROXY", "kmod-nft-tproxy",
		"udp dport 9 tproxy to :9; " },
	[LOOK_FIB] = { "nft_fib_inet", "CONFIG_NFT_FIB_INET", "kmod-nft-fib",
		"fib daddr type local accept; " },
	[LOOK_NOTRACK] = { "nft_ct", "CONFIG_NFT_CT", "kmod-nft-core", "notrack; " },
};

void look_part_rules(unsigned part, char *rules, size_t size)
{
	char all[256] = "";
	for (unsigned i = 0; i < LOOK_PARTS; i++)
		if (i == part || part == LOOK_PARTS)
			snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s", parts[i].rule);
	snprintf(rules, size, "table inet lwgate_check { chain prerouting { type filter hook prerouting "
		"priority raw; %s}; }", all);
}

/* ---- by files ---------------------------------------------------------------------------------- */

/* Takes what stands before the next such byte from the beginning of rest; false: nothing is left. */
static bool take(struct slice *rest, uint8_t end, struct slice *piece)
{
	if (rest->n == 0)
		return false;
	const uint8_t *at = memchr(rest->p, end, rest->n);
	piece->p = rest->p;
	piece->n = at != NULL ? (size_t)(at - rest->p) : rest->n;
	size_t over = piece->n + (at != NULL);
	*rest = (struct slice){ rest->p + over, rest->n - over };
	return true;
}

static bool begins(struct slice line, const char *with)
{
	size_t n = strlen(with);
	return line.n >= n && memcmp(line.p, with, n) == 0;
}

/* Whether a line's first word is this module: a name, or a path that ends with NAME.ko and perhaps how it is
 * packed, and perhaps a colon. */
static bool is_module(struct slice line, const char *module)
{
	size_t n = strlen(module), from = 0, to = 0;
	for (; to < line.n && line.p[to] != ' ' && line.p[to] != ':'; to++)
		if (line.p[to] == '/')
			from = to + 1;
	struct slice name = { line.p + from, to - from };
	if (!begins(name, module))
		return false;
	struct slice end = { name.p + n, name.n - n };
	return end.n == 0 || slice_is(end, ".ko") || begins(end, ".ko.");
}

static bool lists(struct slice text, const char *module)
{
	struct slice line;
	while (take(&text, '\n', &line))
		if (is_module(line, module))
			return true;
	return false;
}

/* "nft_ct.license=GPL" and the like, each ended by a zero. */
static bool informs(struct slice text, const char *module)
{
	struct slice piece;
	while (take(&text, '\0', &piece))
		if (begins(piece, module) && piece.n > strlen(module) &&
			piece.p[strlen(module)] == '.')
			return true;
	return false;
}

/* 'y', 'm', 'n', or 0 where nothing is said of anything. */
static char configured(struct slice text, const char *option)
{
	struct slice line;
	size_t n = strlen(option);
	bool is_config = false;
	while (take(&text, '\n', &line)) {
		is_config = is_config || begins(line, "CONFIG_");
		if (begins(line, option) && line.n == n + 2 && line.p[n] == '=' &&
			(line.p[n + 1] == 'y' || line.p[n + 1] == 'm'))
			return (char)line.p[n + 1];
	}
	return is_config ? 'n' : '\0';
}

enum look_has look_module(const struct look_kernel *k, enum look_part part)
{
	const char *module = parts[part].module;
	if (lists(k->modules, module) || lists(k->builtin, module) || informs(k->modinfo, module) ||
		lists(k->dep, module))
		return LOOK_HAS;
	char c = configured(k->config, parts[part].option);
	if (c == 'y')
		return LOOK_HAS;
	if (c == 'n')
		return LOOK_HAS_NOT;
	/* Neither a file nor built in, where both are listed. */
	bool is_no_file = k->dep.n > 0, is_not_in = c == 'm' || k->builtin.n > 0 || k->modinfo.n > 0;
	return is_no_file && is_not_in ? LOOK_HAS_NOT : LOOK_NOT_TOLD;
}

/* ---- what is told ------------------------------------------------------------------------------ */

void look_parts(const enum look_has has[LOOK_PARTS], const struct conf_listen *listen, look_warn *warn,
	void *arg)
{
	char text[LOOK_TEXT], unknown[128] = "";
	struct utsname name;
	const char *release = uname(&name) == 0 ? name.release : "$(uname -r)";
	for (unsigned i = 0; i < LOOK_PARTS; i++) {
		size_t n = strlen(unknown);
		if (has[i] == LOOK_NOT_TOLD)
			snprintf(unknown + n, sizeof(unknown) - n, "%s%s", n > 0 ? ", " : "",
				parts[i].module);
		if (has[i] != LOOK_HAS_NOT)
			continue;
		snprintf(text, sizeof(text), "the kernel lacks %s, without which listen '%.64s' captures "
			"nothing; right is the package that has it (OpenWrt: %s; Debian: linux-image-%s)",
			parts[i].module, listen->name, parts[i].package, release);
		warn(arg, listen, text);
	}
	if (unknown[0] == '\0')
		return;
	snprintf(text, sizeof(text), "it can not be told whether the kernel has %s, which interception "
		"needs; nft could tell, run by root", unknown);
	warn(arg, listen, text);
}
