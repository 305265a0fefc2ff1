/* Names: what a name server may answer, or not, and questions that are given up. */
#include "suite.h"
#include "io.h"
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>
#include "dns_stub.h"
#include "limits.h"
#include "netns.h"
#include "resolve.h"
#include "talk.h"

/* How long a question waits for its first answer here, ms. */
#define HASTE_MS 100

static struct loop *loop;
static struct resolver *resolver;
static struct dns_stub *stub;

/* One who asks. */
struct asker {
	struct resolve question;
	int told;
	size_t count;
	struct addr addresses[SERVER_ADDRESSES];
	char why[64];
	struct asker *cancels; /* given up when this one is told */
	bool ends;             /* ends the resolver when told */
	int again;             /* asks again when told, so often */
};

static void done(struct resolve *question, const struct addr *addresses, size_t count,
	const char *why, struct mono now)
{
	struct asker *a = container_of(question, struct asker, question);
	ck_assert_int_eq(now.ms, loop_now(loop).ms);
	ck_assert_uint_le(count, SERVER_ADDRESSES);
	ck_assert_int_eq(count == 0, why[0] != '\0');
	ck_assert_ptr_null(question->asked);
	a->told++;
	a->count = count;
	for (size_t i = 0; i < count; i++)
		a->addresses[i] = addresses[i];
	snprintf(a->why, sizeof(a->why), "%s", why);
	if (a->cancels != NULL)
		resolve_cancel(&a->cancels->question);
	if (a->again-- > 0)
		ck_assert_int_eq(resolve_ask(resolver, question, "both.test"), 0);
	if (a->ends) {
		resolver_free(resolver);
		resolver = NULL;
	}
}

static struct asker asker(void)
{
	return (struct asker){ .question.done = done };
}

static void use_stub(uint16_t port)
{
	char servers[32];
	snprintf(servers, sizeof(servers), "127.0.0.1:%u", port);
	ck_assert_int_eq(resolver_use_servers(resolver, servers, HASTE_MS), 0);
}

static void setup(void)
{
	uint16_t port;
	netns_enter();
	ck_assert_int_eq(loop_create(&loop), 0);
	ck_assert_int_eq(resolver_create(&resolver, loop), 0);
	stub = dns_stub_open(loop, &port);
	use_stub(port);
}

static void teardown(void)
{
	resolver_free(resolver);
	dns_stub_close(stub);
	ck_assert_uint_eq(loop_timers(loop)->count, 0);
	loop_free(loop);
}

static void ask(struct asker *a, const char *name)
{
	int told = a->told;
	ck_assert_int_eq(resolve_ask(resolver, &a->question, name), 0);
	ck_assert_int_eq(a->told, told);
}

/* Serves the loop until it was told. */
static void hear(struct asker *a)
{
	while (a->told == 0)
		ck_assert_int_eq(loop_once(loop, -1), 0);
}

/* Asks for a name and compares what is told, e.g. "192.0.2.1 2001:db8::1", or "" for nothing. */
static void finds(const char *name, const char *expected)
{
	struct asker a = asker();
	char all[SERVER_ADDRESSES * ADDR_TEXT] = "", text[ADDR_TEXT];
	ask(&a, name);
	hear(&a);
	for (size_t i = 0; i < a.count; i++) {
		strcat(all, i == 0 ? "" : " ");
		strcat(all, addr_print(&a.addresses[i], text));
	}
	ck_assert_msg(strcmp(all, expected) == 0, "%s: \"%s\" (%s)", name, all, a.why);
	ck_assert_int_eq(a.told, 1);
}

START_TEST(resolve_finds_either_family)
{
	setup();
	finds("a.test", "192.0.2.1");
	finds("aaaa.test", "2001:db8::1");
	struct asker a = asker();
	ask(&a, "both.test");
	hear(&a);
	ck_assert_uint_eq(a.count, 2);
	ck_assert_int_ne(addr_is_v4(&a.addresses[0]), addr_is_v4(&a.addresses[1]));
	teardown();
}
END_TEST

START_TEST(resolve_says_why_not)
{
	setup();
	finds("nx.test", "");
	finds("empty.test", "");
	finds("refused.test", "");
	finds("mute.test", "");
	for (int i = 0; i < 4; i++)
		finds("junk.test", "");
	finds("cutdead.test", "");
	finds("..", "");
	finds("a..b", "");
	finds("192.0.2.1:5683", "");
	struct asker a = asker();
	char name[300];
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	ck_assert_int_eq(resolve_ask(resolver, &a.question, name), -EINVAL);
	ck_assert_int_eq(resolve_ask(resolver, &a.question, ""), -EINVAL);
	ck_assert_ptr_null(a.question.asked);
	name[255] = '\0';
	finds(name, "");
	teardown();
}
END_TEST

START_TEST(resolve_outlasts_silence_noise_and_truncation)
{
	setup();
	struct asker late = asker(), cut = asker();
	ask(&late, "late.test");
	hear(&late);
	ck_assert_uint_eq(late.count, 2);
	ask(&cut, "cut.test");
	hear(&cut);
	ck_assert_uint_eq(cut.count, 2);
	finds("noise.test", "192.0.2.1");
	finds("half.test", "192.0.2.1");
	teardown();
}
END_TEST

START_TEST(resolve_keeps_a_bounded_number)
{
	setup();
	struct asker a = asker();
	ask(&a, "many.test");
	hear(&a);
	ck_assert_uint_eq(a.count, SERVER_ADDRESSES);
	for (size_t i = 0; i < a.count; i++)
		for (size_t k = 0; k < i; k++)
			ck_assert(!addr_eq(&a.addresses[i], &a.addresses[k]));
	teardown();
}
END_TEST

START_TEST(resolve_answers_addresses_without_asking)
{
	setup();
	finds("192.0.2.9", "192.0.2.9");
	finds("2001:db8::9", "2001:db8::9");
	finds("[2001:db8::9]", "2001:db8::9");
	finds("fe80::1%lo", "fe80::1%lo");
	ck_assert_uint_eq(dns_stub_asked(stub), 0);
	teardown();
}
END_TEST

START_TEST(resolve_prefers_what_can_be_reached)
{
	setup();
	netns_join(netns_create(), "eth0");
	netns_run("ip addr add 2001:db8::9/64 dev eth0 nodad");
	finds("both.test", "2001:db8::1 192.0.2.1");
	netns_run("ip addr del 2001:db8::9/64 dev eth0; ip addr add 192.0.2.9/24 dev eth0");
	finds("both.test", "192.0.2.1 2001:db8::1");
	teardown();
}
END_TEST

START_TEST(resolve_cancels_at_any_time)
{
	setup();
	struct asker never = { .told = 0 }, a = asker(), b = asker(), c = asker(), literal = asker();
	resolve_cancel(&never.question);
	ask(&a, "a.test");
	ask(&b, "mute.test");
	ask(&c, "a.test");
	ask(&literal, "192.0.2.1");
	resolve_cancel(&a.question);
	resolve_cancel(&a.question);
	resolve_cancel(&literal.question);
	ask(&a, "aaaa.test"); /* while c-ares still works on the first one */
	hear(&c);
	hear(&a);
	ck_assert_uint_eq(a.count, 1);
	ck_assert(!addr_is_v4(&a.addresses[0]));
	resolve_cancel(&b.question);
	finds("aaaa.test", "2001:db8::1");
	ck_assert_int_eq(a.told, 1);
	ck_assert_int_eq(b.told, 0);
	ck_assert_int_eq(literal.told, 0);
	teardown();
}
END_TEST

START_TEST(resolve_may_be_used_inside_its_answer)
{
	setup();
	struct asker a = asker(), b = asker(), c = asker();
	a.cancels = &b;
	a.again = 3;
	ask(&a, "192.0.2.1");
	ask(&b, "192.0.2.2");
	ask(&c, "192.0.2.3");
	while (a.told < 4 || c.told < 1)
		ck_assert_int_eq(loop_once(loop, -1), 0);
	ck_assert_int_eq(b.told, 0);
	ck_assert_uint_eq(a.count, 2);
	struct asker last = asker(), under_way = asker(), answered = asker();
	last.ends = true;
	ask(&under_way, "mute.test");
	ask(&last, "192.0.2.1");
	ask(&answered, "192.0.2.2");
	hear(&last);
	ck_assert_ptr_null(under_way.question.asked);
	ck_assert_ptr_null(answered.question.asked);
	ck_assert_int_eq(answered.told + under_way.told, 0);
	teardown();
}
END_TEST

START_TEST(resolve_asks_many_at_once)
{
	enum { MANY = 200 };
	static struct asker many[MANY];
	setup();
	for (int i = 0; i < MANY; i++) {
		many[i] = asker();
		ask(&many[i], i % 2 == 0 ? "a.test" : "nx.test");
	}
	for (int i = 0; i < MANY; i++)
		hear(&many[i]);
	for (int i = 0; i < MANY; i++)
		ck_assert_uint_eq(many[i].count, i % 2 == 0);
	teardown();
}
END_TEST

static void rewrite(int fd, const char *text)
{
	ck_assert_int_eq(ftruncate(fd, 0), 0);
	ck_assert_int_eq(pwrite(fd, text, strlen(text), 0), (ssize_t)strlen(text));
}

/* A file of ours stands over one of the machine's, in this process only; gives its descriptor. */
static int stand_in(const char *path, const char *text)
{
	char name[] = "/tmp/lwgate-resolve-XXXXXX";
	int fd = mkstemp(name);
	ck_assert_int_ge(fd, 0);
	rewrite(fd, text);
	ck_assert_int_eq(mount(name, path, NULL, MS_BIND, NULL), 0);
	unlink(name);
	return fd;
}

static void private_files(void)
{
	ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
	ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
}

START_TEST(resolve_honours_the_hosts_file)
{
	netns_enter();
	private_files();
	close(stand_in("/etc/hosts", "192.0.2.77 meter.test\n2001:db8::77 meter.test\n"
		"192.0.2.78 one.test\n"));
	setup();
	struct asker a = asker();
	ask(&a, "meter.test");
	hear(&a);
	ck_assert_uint_eq(a.count, 2);
	finds("one.test", "192.0.2.78");
	ck_assert_uint_eq(dns_stub_asked(stub), 0);
	teardown();
}
END_TEST

/* How many of the questions that wait in a socket are for this name. */
static int questions_for(int fd, const char *name)
{
	int found = 0;
	ck_assert_int_eq(udp_batch_create(&batch, SLOTS), 0);
	int n = udp_recv_batch(fd, batch, SLOTS);
	for (int i = 0; i < n; i++) {
		const struct udp_slot *slot = udp_batch_slot(batch, (unsigned)i);
		found += memmem(slot->bytes, slot->n, name, strlen(name)) != NULL;
	}
	udp_batch_free(batch);
	return found;
}

/* New name servers are taken with the next question, which also helps the ones that wait. */
START_TEST(resolve_follows_resolv_conf)
{
	uint16_t port;
	netns_enter();
	private_files();
	int file = stand_in("/etc/resolv.conf", "nameserver 127.0.0.53\n");
	ck_assert_int_eq(loop_create(&loop), 0);
	stub = dns_stub_open(loop, &port);
	ck_assert_int_eq(resolver_create(&resolver, loop), 0);
	int first = listen_at("127.0.0.53:53", NULL), second = listen_at("127.0.0.54:53", NULL);
	struct asker waits = asker(), given_up = asker(), fresh = asker();
	ask(&waits, "waits.test");
	ask(&given_up, "waits-not.test");
	resolve_cancel(&given_up.question);
	ck_assert_int_eq(questions_for(first, "waits"), 4);
	rewrite(file, "nameserver 127.0.0.54\n# another one\n");
	ask(&fresh, "waits.test");
	ck_assert_int_eq(questions_for(first, "waits"), 0);
	ck_assert_int_eq(questions_for(second, "waits"), 4);
	ask(&given_up, "again.test");
	ck_assert_int_eq(questions_for(second, "again"), 2);
	ck_assert_int_eq(waits.told + fresh.told + given_up.told, 0);
	udp_close(first);
	udp_close(second);
	close(file);
	teardown();
}
END_TEST

Suite *resolve_suite(void)
{
	Suite *s = suite_create("resolve");
	SUITE_TEST(s, resolve_finds_either_family);
	SUITE_TEST(s, resolve_says_why_not);
	SUITE_TEST(s, resolve_outlasts_silence_noise_and_truncation);
	SUITE_TEST(s, resolve_keeps_a_bounded_number);
	SUITE_TEST(s, resolve_answers_addresses_without_asking);
	SUITE_TEST(s, resolve_prefers_what_can_be_reached);
	SUITE_TEST(s, resolve_cancels_at_any_time);
	SUITE_TEST(s, resolve_may_be_used_inside_its_answer);
	SUITE_TEST(s, resolve_asks_many_at_once);
	SUITE_TEST(s, resolve_honours_the_hosts_file);
	SUITE_TEST(s, resolve_follows_resolv_conf);
	return s;
}
