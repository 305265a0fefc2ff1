/* Looks at this machine: its files, its processes, nft; others judge. */
#include "look.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "control/claim.h"
#include "control/text.h"
#include "look_int.h"

/* What a table is named with, beside its family. */
#define PLAIN "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.- "

/* Adds what stands in a file; of one that can not be read, or is too long, nothing. */
static void read_file(struct text *t, const char *path)
{
	char bytes[4096];
	ssize_t n = -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	while (fd >= 0 && t->n <= LOOK_BYTES && !t->broken &&
		((n = read(fd, bytes, sizeof(bytes))) > 0 || (n < 0 && errno == EINTR)))
		text_bytes(t, bytes, n > 0 ? (size_t)n : 0);
	if (n != 0)
		text_fini(t);
	if (fd >= 0)
		close(fd);
}

static struct slice slice_of(const struct text *t)
{
	return (struct slice){ (const uint8_t *)t->p, t->p != NULL && !t->broken ? t->n : 0 };
}

/* ---- the kernel -------------------------------------------------------------------------------- */

enum { MODULES, BUILTIN, MODINFO, DEP, CONFIG, FILES };

/* OpenWrt has no modules.dep, but all modules in one folder. */
static void list_folder(struct text *t, const char *path)
{
	const struct dirent *e;
	DIR *folder = opendir(path);
	while (folder != NULL && (e = readdir(folder)) != NULL)
		text_addf(t, "%s:\n", strstr(e->d_name, ".ko") != NULL ? e->d_name : "");
	if (folder != NULL)
		closedir(folder);
}

static void judge_by_files(enum look_has has[LOOK_PARTS])
{
	struct utsname name = { .release = "" };
	struct text t[FILES] = { 0 };
	char path[256];
	if (uname(&name) != 0 || strchr(name.release, '/') != NULL)
		return;
	read_file(&t[MODULES], "/proc/modules");
	snprintf(path, sizeof(path), "/lib/modules/%s/modules.builtin", name.release);
	read_file(&t[BUILTIN], path);
	snprintf(path, sizeof(path), "/lib/modules/%s/modules.builtin.modinfo", name.release);
	read_file(&t[MODINFO], path);
	snprintf(path, sizeof(path), "/lib/modules/%s/modules.dep", name.release);
	read_file(&t[DEP], path);
	snprintf(path, sizeof(path), "/lib/modules/%s", name.release);
	if (t[DEP].n == 0)
		list_folder(&t[DEP], path);
	snprintf(path, sizeof(path), "/boot/config-%s", name.release);
	read_file(&t[CONFIG], path);
	const struct look_kernel kernel = { slice_of(&t[MODULES]), slice_of(&t[BUILTIN]),
		slice_of(&t[MODINFO]), slice_of(&t[DEP]), slice_of(&t[CONFIG]) };
	for (unsigned i = 0; i < LOOK_PARTS; i++)
		if (has[i] == LOOK_NOT_TOLD)
			has[i] = look_module(&kernel, (enum look_part)i);
	for (unsigned i = 0; i < FILES; i++)
		text_fini(&t[i]);
}

static int try_part(unsigned part)
{
	char rules[512];
	look_part_rules(part, rules, sizeof(rules));
	return look_try(rules);
}

/* The kernel itself knows for sure, where nft may ask it. A refusal says something only where a table without
 * more is taken. */
static void judge_by_kernel(enum look_has has[LOOK_PARTS])
{
	int all = try_part(LOOK_PARTS), r = 0;
	if (all != 0 && (all != -EPERM || try_part(LOOK_NF_TABLES) != 0))
		return;
	for (unsigned i = 0; i < LOOK_PARTS && (r == 0 || r == -EPERM); i++) {
		r = all == 0 || i == LOOK_NF_TABLES ? 0 : try_part(i);
		if (r == 0 || r == -EPERM)
			has[i] = r == 0 ? LOOK_HAS : LOOK_HAS_NOT;
	}
}

/* ---- the ports --------------------------------------------------------------------------------- */

/* A name that a terminal may see. */
static void read_program(unsigned pid, char name[32])
{
	char path[64];
	struct text t = { 0 };
	snprintf(path, sizeof(path), "/proc/%u/comm", pid);
	read_file(&t, path);
	snprintf(name, 32, "%.31s", text_str(&t));
	name[strcspn(name, "\n")] = '\0';
	for (char *c = name; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	text_fini(&t);
}

/* Of several processes that hold a socket the first counts, unless one is lwgated. */
static void name_socket(struct look_sockets *sockets, uint64_t inode, unsigned pid)
{
	for (size_t i = 0; i < sockets->count; i++) {
		struct look_socket *s = &sockets->socket[i];
		char program[sizeof(s->program)];
		if (s->inode != inode || s->pid == pid)
			continue;
		read_program(pid, program);
		if (s->pid != 0 && strcmp(program, "lwgated") != 0)
			continue;
		s->pid = pid;
		memcpy(s->program, program, sizeof(program));
	}
}

/* Looks through what one process has open, where that may be seen. */
static void look_process(struct look_sockets *sockets, unsigned pid)
{
	char path[64], to[64];
	const struct dirent *e;
	snprintf(path, sizeof(path), "/proc/%u/fd", pid);
	DIR *folder = opendir(path);
	while (folder != NULL && (e = readdir(folder)) != NULL) {
		uint64_t inode;
		ssize_t n = readlinkat(dirfd(folder), e->d_name, to, sizeof(to) - 1);
		if (n <= 0)
			continue;
		to[n] = '\0';
		if (sscanf(to, "socket:[%" SCNu64 "]", &inode) == 1)
			name_socket(sockets, inode, pid);
	}
	if (folder != NULL)
		closedir(folder);
}

static void name_sockets(struct look_sockets *sockets)
{
	const struct dirent *e;
	DIR *folder = sockets->count > 0 ? opendir("/proc") : NULL;
	while (folder != NULL && (e = readdir(folder)) != NULL) {
		unsigned long pid = strtoul(e->d_name, NULL, 10);
		if (pid > 0 && pid <= INT32_MAX)
			look_process(sockets, (unsigned)pid);
	}
	if (folder != NULL)
		closedir(folder);
}

static void look_at_ports(const struct conf *conf, const char *socket, look_warn *warn, void *arg)
{
	static const char *const lists[] = { "/proc/net/udp", "/proc/net/udp6" };
	struct look_sockets sockets = { .count = 0 };
	for (size_t i = 0; i < 2; i++) {
		struct text t = { 0 };
		read_file(&t, lists[i]);
		look_bound(&sockets, conf, slice_of(&t));
		text_fini(&t);
	}
	name_sockets(&sockets);
	look_ports(&sockets, conf, claim_is_served(socket), warn, arg);
}

/* ---- all of it --------------------------------------------------------------------------------- */

static void say_unread(int r, const struct conf_listen *listen, look_warn *warn, void *arg)
{
	if (r == -ENOENT)
		warn(arg, listen, "there is no nft, so other rules of nftables were not looked at");
	else if (r == -EPERM)
		warn(arg, listen, "nft did not list the rules of nftables, so they were not looked at; "
			"right is lwgate check as root");
	else if (r == -ETIME)
		warn(arg, listen, "nft did not list the rules of nftables in time, so they were not looked "
			"at");
	else if (r == -EMSGSIZE)
		warn(arg, listen, "there are too many rules of nftables, so they were not looked at");
	else
		warn(arg, listen, "the rules of nftables could not be read, so they were not looked at");
}

/* One table's rules; false: they could not be read. */
static bool look_at_table(const char *table, const struct conf *conf, look_warn *warn, void *arg)
{
	struct text t = { 0 };
	/* What else nft would do than list it. */
	bool is_plain = table[strspn(table, PLAIN)] == '\0';
	int r = is_plain ? look_ask_table(&t, table) : -EINVAL;
	struct json_object *rules = r == 0 && t.p != NULL ? look_read(t.p, t.n) : NULL;
	bool is_read = rules != NULL;
	if (is_read)
		look_rules(rules, conf, warn, arg);
	json_object_put(rules);
	text_fini(&t);
	return is_read;
}

/* Each table by itself: of one that has flags, as ours, nft 1.0.6 lists freed memory as JSON, or ends there. */
static void look_at_tables(char *lines, const struct conf *conf, const struct conf_listen *first,
	look_warn *warn, void *arg)
{
	static const char head[] = "table ", ours[] = "inet lwgate";
	char *save = NULL, said[LOOK_TEXT];
	for (char *line = strtok_r(lines, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
		const char *table = line + sizeof(head) - 1;
		if (strncmp(line, head, sizeof(head) - 1) != 0 || strcmp(table, ours) == 0 ||
			look_at_table(table, conf, warn, arg))
			continue;
		snprintf(said, sizeof(said), "the rules of table '%.200s' could not be read, so they were not "
			"looked at", table);
		warn(arg, first, said);
	}
}

static void look_at_capture(const struct conf *conf, const struct conf_listen *first, look_warn *warn,
	void *arg)
{
	enum look_has has[LOOK_PARTS] = { LOOK_NOT_TOLD };
	struct text t = { 0 };
	int r = look_ask_tables(&t);
	/* Without the kernel's nf_tables nothing is listed, and nothing would be judged. */
	if (r == 0)
		judge_by_kernel(has);
	judge_by_files(has);
	look_parts(has, first, warn, arg);
	if (r != 0)
		say_unread(r, first, warn, arg);
	else if (t.p != NULL)
		look_at_tables(t.p, conf, first, warn, arg);
	text_fini(&t);
}

void look_machine(const struct conf *conf, const char *socket, look_warn *warn, void *arg)
{
	const struct conf_listen *first = NULL;
	for (size_t i = 0; first == NULL && i < conf->listen_count; i++)
		first = conf->listen[i].intercept ? &conf->listen[i] : NULL;
	if (first != NULL)
		look_at_capture(conf, first, warn, arg);
	look_at_ports(conf, socket, warn, arg);
}
