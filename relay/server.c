/* A server and its addresses. */
#include "server.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "conf/conf.h"

static void look_up(struct server *s)
{
	s->asked = loop_now(s->env->loop);
	int rc = resolve_ask(s->env->resolver, &s->question, s->host);
	if (rc == 0)
		return;
	log_warn("server: %s: can not ask for %s: %s", s->name, s->host, strerror(-rc));
	timer_arm(s->env->timers, &s->again, mono_add(s->asked, s->retry_ms));
}

static void again_fire(struct timer *timer, struct mono now)
{
	(void)now;
	look_up(container_of(timer, struct server, again));
}

static bool is_same_list(const struct server *s, const struct addr *list, size_t count)
{
	if (s->addresses != count)
		return false;
	for (size_t i = 0; i < count; i++)
		if (!addr_same_host(&s->address[i], &list[i]))
			return false;
	return true;
}

bool server_is_at(const struct server *s, const struct addr *address)
{
	for (size_t i = 0; i < s->addresses; i++)
		if (addr_same_host(&s->address[i], address))
			return true;
	return false;
}

bool server_has(const struct server *s, const struct addr *address, struct mono now)
{
	if (server_is_at(s, address))
		return true;
	for (size_t i = 0; i < s->formers; i++)
		if (addr_same_host(&s->former[i].address, address) &&
			!mono_reached(s->former[i].until, now))
			return true;
	return false;
}

/* The place of a former address: its own, a free one, or that of the one that ends first. */
static struct server_former *former_place(struct server *s, const struct addr *address)
{
	struct server_former *oldest = &s->former[0];
	for (size_t i = 0; i < s->formers; i++) {
		if (addr_same_host(&s->former[i].address, address))
			return &s->former[i];
		if (s->former[i].until.ms < oldest->until.ms)
			oldest = &s->former[i];
	}
	return s->formers < SERVER_FORMER ? &s->former[s->formers++] : oldest;
}

void server_remember(struct server *s, const struct addr *address, struct mono now)
{
	struct addr host = *address;
	host.port = 0;
	*former_place(s, &host) = (struct server_former){ host, mono_add(now, SERVER_FORMER_MS) };
	s->env->servers_changed = true;
}

void server_touch(struct server *s, const struct addr *address, struct mono now)
{
	for (size_t i = 0; i < s->formers; i++)
		if (addr_same_host(&s->former[i].address, address))
			s->former[i].until = mono_add(now, SERVER_FORMER_MS);
}

/* What it had too long ago is whosoever's by now: nobody is to capture it for the server any more. */
static void forget_formers(struct server *s, struct mono now)
{
	size_t kept = 0;
	for (size_t i = 0; i < s->formers; i++)
		if (!mono_reached(s->former[i].until, now))
			s->former[kept++] = s->former[i];
	if (kept < s->formers)
		s->env->servers_changed = true;
	s->formers = kept;
}

void server_inherit(struct server *s, const struct server *before)
{
	struct mono now = loop_now(s->env->loop);
	if (strcmp(s->host, before->host) != 0)
		return;
	memcpy(s->former, before->former, sizeof(s->former));
	s->formers = before->formers;
	for (size_t i = 0; i < before->addresses; i++)
		server_remember(s, &before->address[i], now);
}

/* Nothing was found: what is known stays in use, and the name is asked for again, ever more slowly. */
static void not_found(struct server *s, const char *why, struct mono now)
{
	if (!s->env->is_copy)
		log_warn("server: %s: no address of %s (%s), next try in %lld s", s->name, s->host, why,
			(long long)s->retry_ms / 1000);
	timer_arm(s->env->timers, &s->again, mono_add(now, s->retry_ms));
	s->retry_ms = s->retry_ms * 2 < RESOLVE_RETRY_LAST_MS ? s->retry_ms * 2 : RESOLVE_RETRY_LAST_MS;
}

void server_learn(struct server *s, const struct addr *list, size_t count, struct mono now)
{
	if (is_same_list(s, list, count))
		return;
	for (size_t i = 0; i < s->addresses; i++)
		server_remember(s, &s->address[i], now);
	s->env->servers_changed = true;
	for (size_t i = 0; i < count; i++) {
		s->address[i] = list[i];
		s->address[i].port = s->port;
	}
	s->addresses = count;
	list_each(node, &s->users) {
		struct server_user *user = container_of(node, struct server_user, node);
		user->found(user, now);
	}
}

static void answered(struct resolve *question, const struct addr *list, size_t count,
	const char *why, struct mono now)
{
	struct server *s = container_of(question, struct server, question);
	forget_formers(s, now);
	if (count == 0) {
		not_found(s, why, now);
		return;
	}
	if (count > SERVER_ADDRESSES)
		count = SERVER_ADDRESSES;
	s->retry_ms = RESOLVE_RETRY_MS;
	timer_arm(s->env->timers, &s->again, mono_add(now, RESOLVE_AGAIN_MS));
	if (is_same_list(s, list, count))
		return;
	char text[ADDR_TEXT];
	bool is_first = s->addresses == 0;
	s->is_news = true;
	server_learn(s, list, count, now);
	if (!s->env->is_copy || !is_first)
		log_info("server: %s is at %s%s", s->name, addr_print(&s->address[0], text),
			count > 1 ? " and more addresses" : "");
}

static int copy_text(char **to, const char *from)
{
	*to = NULL;
	if (from == NULL)
		return 0;
	*to = strdup(from);
	return *to != NULL ? 0 : -ENOMEM;
}

static enum dtls_security security_of(const struct conf_server *conf)
{
	return conf->security == CONF_X509 ? DTLS_X509 :
		conf->security == CONF_RPK  ? DTLS_RPK :
					      DTLS_PSK;
}

static struct slice trust_of(const struct conf_server *conf)
{
	const struct conf_blob *blob = conf->security == CONF_X509 ? &conf->ca : &conf->server_key;
	bool is_psk = conf->security == CONF_NOSEC || conf->security == CONF_PSK;
	return is_psk ? (struct slice){ NULL, 0 } : (struct slice){ blob->bytes, blob->n };
}

/* No literal address is asked for (RFC 6066 3). */
static void set_sni(struct server *s)
{
	struct addr literal;
	if (addr_parse(&literal, s->expected_name) != 0)
		s->sni = s->expected_name;
}

/* A name may be written with the root's dot; no certificate and no SNI has it (RFC 6066 3). */
static void without_root_dot(char *name)
{
	size_t n = strlen(name);
	if (n > 1 && name[n - 1] == '.')
		name[n - 1] = '\0';
}

static int copy_trust(struct server *s, const struct conf_server *conf)
{
	struct slice trust = trust_of(conf);
	if (copy_text(&s->expected_name, conf->server_name) != 0)
		return -ENOMEM;
	if (s->expected_name == NULL && copy_text(&s->expected_name, conf->host) != 0)
		return -ENOMEM;
	without_root_dot(s->expected_name);
	return slice_copy(&s->trust, trust.p, trust.n) ? 0 : -ENOMEM;
}

void server_adopt(struct server *s, const struct conf_server *conf)
{
	s->assist_update = conf->assist_update;
}

static int copy_conf(struct server *s, const struct conf_server *conf)
{
	s->port = conf->port;
	s->is_secure = conf->security != CONF_NOSEC;
	s->security = security_of(conf);
	s->version = conf->dtls == CONF_DTLS13 ? DTLS_1_3 : DTLS_1_2;
	s->cid = conf->cid;
	s->handshake_ms = conf->handshake_timeout * 1000;
	server_adopt(s, conf);
	if (copy_text(&s->name, conf->name) != 0 || copy_text(&s->host, conf->host) != 0 ||
		copy_text(&s->uri, conf->uri) != 0 ||
		copy_text(&s->interface, conf->interface) != 0 || copy_trust(s, conf) != 0)
		return -ENOMEM;
	set_sni(s);
	return 0;
}

static int make_profile(struct server *s, const struct dtls_calls *calls)
{
	struct dtls_profile_spec spec = { .cid = s->cid, .calls = calls, .version = s->version,
		.security = s->security,
		.trust = s->trust, .expected_name = s->expected_name, .wall_s = loop_wall };
	return dtls_profile_create(&s->profile, &spec);
}

int server_create(struct server **server, struct env *env, const struct conf_server *conf,
	uint32_t number, const struct dtls_calls *calls)
{
	struct server *s = calloc(1, sizeof(*s));
	if (s == NULL)
		return -ENOMEM;
	s->env = env;
	s->number = number;
	s->retry_ms = RESOLVE_RETRY_MS;
	s->question.done = answered;
	s->again.fire = again_fire;
	list_init(&s->node);
	list_init(&s->users);
	int rc = copy_conf(s, conf);
	if (rc == 0 && s->is_secure)
		rc = make_profile(s, calls);
	if (rc != 0) {
		server_free(s);
		return rc;
	}
	look_up(s);
	*server = s;
	return 0;
}

void server_free(struct server *s)
{
	if (s == NULL)
		return;
	BUG_UNLESS(list_is_empty(&s->users));
	list_remove(&s->node);
	resolve_cancel(&s->question);
	timer_disarm(s->env->timers, &s->again);
	dtls_profile_free(s->profile);
	free(s->name);
	free(s->host);
	free(s->uri);
	free(s->interface);
	free(s->expected_name);
	slice_free(&s->trust);
	free(s);
}

static bool is_same_name(const struct server *s, const struct conf_server *conf)
{
	const char *name = conf->server_name != NULL ? conf->server_name : conf->host;
	size_t n = strlen(s->expected_name);
	return strncmp(name, s->expected_name, n) == 0 &&
		(name[n] == '\0' || strcmp(name + n, ".") == 0);
}

bool server_matches(const struct server *s, const struct conf_server *conf)
{
	return strcmp(s->name, conf->name) == 0 && strcmp(s->host, conf->host) == 0 &&
		s->port == conf->port && s->is_secure == (conf->security != CONF_NOSEC) &&
		s->security == security_of(conf) &&
		(s->version == DTLS_1_3) == (conf->dtls == CONF_DTLS13) && slice_eq(s->trust, trust_of(conf)) &&
		is_same_name(s, conf) &&
		s->cid == conf->cid && s->handshake_ms == conf->handshake_timeout * 1000 &&
		text_is_same(s->interface, conf->interface);
}

void server_doubt(struct server *s, struct mono now)
{
	struct mono soon = mono_add(s->asked, RESOLVE_DOUBT_MS);
	if (s->again.place != 0) /* else the question is on its way */
		timer_arm_by(s->env->timers, &s->again, soon.ms > now.ms ? soon : now);
}

void server_join(struct server *s, struct server_user *user)
{
	list_init(&user->node);
	list_append(&s->users, &user->node);
	s->user_count++;
}

void server_leave(struct server *s, struct server_user *user)
{
	s->user_count--;
	list_remove(&user->node);
}
