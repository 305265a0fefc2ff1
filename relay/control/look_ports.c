/* Who holds the ports that listeners want, by the kernel's lists of UDP sockets. How a port is shared
 * (SO_REUSEADDR, SO_REUSEPORT), and which interface a socket is bound to, does not stand there. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "look.h"
#include "look_int.h"

/* Room for one row of such a list. */
#define ROW 256

/* ---- which ports ------------------------------------------------------------------------------- */

/* Whether lwgated opens ports for DTLS: somebody may come by them, or they were asked for. */
static bool opens_dtls(const struct conf *conf, const struct conf_listen *listen)
{
	if (listen->coaps == 0 || listen->coaps_is_set)
		return listen->coaps != 0;
	for (size_t i = 0; i < conf->endpoint_count; i++) {
		const struct conf_endpoint *e = &conf->endpoint[i];
		if (e->lan_identity != NULL || e->lan_key.n > 0 || e->lan_public_key.n > 0 ||
			(e->mode == CONF_OPAQUE && (e->listen == NULL || e->listen == listen)))
			return true;
	}
	return listen->ca.n > 0;
}

size_t look_ports_of(const struct conf *conf, const struct conf_listen *listen,
	uint16_t port[LOOK_PORTS])
{
	struct conf_captured captured[CONF_CAPTURED_PORTS];
	size_t n = 0, more = conf_captured(conf, listen, captured);
	bool has_dtls = opens_dtls(conf, listen);
	if (listen->coap != 0)
		port[n++] = listen->coap;
	if (has_dtls)
		port[n++] = listen->coaps;
	for (size_t i = 0; i < more; i++)
		if (has_dtls || !captured[i].is_secure)
			port[n++] = captured[i].port;
	return n;
}

static bool is_wanted(const struct conf *conf, uint16_t number)
{
	uint16_t port[LOOK_PORTS];
	for (size_t i = 0; i < conf->listen_count; i++) {
		size_t n = look_ports_of(conf, &conf->listen[i], port);
		for (size_t k = 0; k < n; k++)
			if (port[k] == number)
				return true;
	}
	return false;
}

/* ---- the lists --------------------------------------------------------------------------------- */

/* Words of 32 bits in hex, each as this machine reads four bytes of an address; false: they are no
 * address. */
static bool read_ip(struct addr *a, const char *hex)
{
	size_t n = strlen(hex) / 8;
	if (strlen(hex) % 8 != 0 || (n != 1 && n != 4))
		return false;
	*a = addr_any(n == 1, 0);
	for (size_t i = 0; i < n; i++) {
		char word[9] = "";
		memcpy(word, hex + 8 * i, 8);
		uint32_t bytes = (uint32_t)strtoul(word, NULL, 16);
		memcpy(a->ip + (n == 1 ? 12 : 4 * i), &bytes, 4);
	}
	return true;
}

static bool read_row(struct look_socket *s, const char *row)
{
	char hex[33];
	unsigned port, uid;
	uint64_t inode;
	if (sscanf(row, " %*u: %32[0-9A-Fa-f]:%4x %*[0-9A-Fa-f]:%*x %*x %*x:%*x %*x:%*x %*x %9u %*d %19" SCNu64,
		hex, &port, &uid, &inode) != 4)
		return false;
	*s = (struct look_socket){ .inode = inode, .uid = uid };
	if (!read_ip(&s->at, hex))
		return false;
	s->at.port = (uint16_t)port;
	return true;
}

void look_bound(struct look_sockets *sockets, const struct conf *conf, struct slice text)
{
	while (text.n > 0 && sockets->count < LOOK_SOCKETS) {
		char row[ROW];
		struct look_socket s;
		const uint8_t *end = memchr(text.p, '\n', text.n);
		size_t n = end != NULL ? (size_t)(end - text.p) : text.n, over = n + (end != NULL);
		if (n < sizeof(row)) {
			memcpy(row, text.p, n);
			row[n] = '\0';
			if (read_row(&s, row) && is_wanted(conf, s.at.port))
				sockets->socket[sockets->count++] = s;
		}
		text = (struct slice){ text.p + over, text.n - over };
	}
}

/* ---- who stands in whose way ------------------------------------------------------------------- */

/* Whether a socket there keeps one of ours from an address. */
static enum look_fit bars(const struct look_socket *s, const struct addr *ours, bool has_interface)
{
	const struct addr *theirs = &s->at;
	bool is_any = addr_is_any(theirs), is_4 = addr_is_v4(theirs);
	/* One for IPv6 takes IPv4 as well, unless it was told not to. */
	if (is_4 != addr_is_v4(ours))
		return is_any && !is_4 ? LOOK_PERHAPS : LOOK_NO;
	if (!is_any && !addr_is_any(ours) && memcmp(theirs->ip, ours->ip, sizeof(ours->ip)) != 0)
		return LOOK_NO;
	return has_interface || addr_is_link_local(ours) ? LOOK_PERHAPS : LOOK_YES;
}

static enum look_fit bars_listener(const struct look_socket *s, const struct conf_listen *listen)
{
	struct addr any[2] = { addr_any(true, 0), addr_any(false, 0) };
	const struct addr *address = listen->address_count > 0 ? listen->address : any;
	size_t n = listen->address_count > 0 ? listen->address_count : 2;
	enum look_fit most = LOOK_NO;
	for (size_t i = 0; i < n; i++) {
		enum look_fit fit = bars(s, &address[i], listen->interface.count > 0);
		most = fit > most ? fit : most;
	}
	return most;
}

static bool is_ours(const struct look_socket *s, bool is_served)
{
	if (s->pid == 0)
		return is_served;
	/* lwgate-net holds copies of its sockets for a moment. */
	return strcmp(s->program, "lwgated") == 0 || strcmp(s->program, "lwgate-net") == 0;
}

/* Whether it was told already of this port: a program has a socket for each family, or many. */
static bool is_told(const struct look_sockets *sockets, size_t i, const struct conf_listen *listen)
{
	const struct look_socket *s = &sockets->socket[i];
	for (size_t k = 0; k < i; k++) {
		const struct look_socket *before = &sockets->socket[k];
		if (before->at.port == s->at.port && before->pid == s->pid &&
			before->uid == s->uid && bars_listener(before, listen) != LOOK_NO)
			return true;
	}
	return false;
}

static void say_held(const struct look_socket *s, enum look_fit fit, const struct conf_listen *listen,
	look_warn *warn, void *arg)
{
	char text[LOOK_TEXT], at[ADDR_TEXT], who[96];
	if (s->pid != 0)
		snprintf(who, sizeof(who), "%s (pid %u)", s->program, s->pid);
	else
		snprintf(who, sizeof(who), "a process of uid %u, which root could name", s->uid);
	snprintf(text, sizeof(text), "UDP port %u of listen '%.64s' is held at %s by %s%s; right is that it "
		"leaves the port, or another port", s->at.port, listen->name, addr_print(&s->at, at), who,
		fit == LOOK_PERHAPS ? ", perhaps only for another interface or family" : "");
	warn(arg, listen, text);
}

static void look_port(const struct look_sockets *sockets, uint16_t port, bool is_served,
	const struct conf_listen *listen, look_warn *warn, void *arg)
{
	for (size_t i = 0; i < sockets->count; i++) {
		const struct look_socket *s = &sockets->socket[i];
		enum look_fit fit = s->at.port == port ? bars_listener(s, listen) : LOOK_NO;
		if (fit != LOOK_NO && !is_ours(s, is_served) && !is_told(sockets, i, listen))
			say_held(s, fit, listen, warn, arg);
	}
}

void look_ports(const struct look_sockets *sockets, const struct conf *conf, bool is_served,
	look_warn *warn, void *arg)
{
	uint16_t port[LOOK_PORTS];
	for (size_t i = 0; i < conf->listen_count; i++) {
		size_t n = look_ports_of(conf, &conf->listen[i], port);
		for (size_t k = 0; k < n; k++)
			look_port(sockets, port[k], is_served, &conf->listen[i], warn, arg);
	}
}
