/* Which worker a datagram belongs to. */
#include "steer.h"
#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include "base/rand.h"

/* Knuth's, for multiplicative hashing: the upper half of a product is well mixed. */
#define FACTOR 2654435761U
/* RFC 9146 4: a record of this type has its connection id behind 11 bytes; RFC 9147 4: a unified header with
 * the bit C has it behind the first byte. */
#define TYPE_CID 25
#define CID_AT 11
#define UNIFIED_MASK 0xf0
#define UNIFIED_CID 0x30
#define UNIFIED_CID_AT 1

void steer_init(struct steer *s, unsigned count)
{
	*s = (struct steer){ .count = count };
	rand_bytes(&s->key, sizeof(s->key));
	rand_bytes(&s->cid_key, sizeof(s->cid_key));
}

static uint32_t word(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

unsigned steer_by_source(const struct steer *s, const struct addr *from)
{
	uint32_t hash = s->key;
	for (unsigned i = addr_is_v4(from) ? 12 : 0; i < 16; i += 4)
		hash = (hash ^ word(from->ip + i)) * FACTOR;
	hash = (hash ^ from->port) * FACTOR;
	hash = (hash ^ hash >> 15) * FACTOR; /* ports beside each other shall not fall side by side */
	return (hash >> 16) % s->count;
}

unsigned steer_by_cid(const struct steer *s, const uint8_t *cid)
{
	return (unsigned)(cid[0] ^ s->cid_key) % s->count;
}

void steer_mark(const struct steer *s, unsigned worker, uint8_t *cid)
{
	while (steer_by_cid(s, cid) != worker)
		rand_bytes(cid, 1);
}

/* What the kernel can not read belongs to the first worker: its program ends with 0. */
static unsigned by_cid_at(const struct steer *s, const uint8_t *bytes, size_t n, size_t at)
{
	return n > at ? steer_by_cid(s, bytes + at) : 0;
}

unsigned steer_datagram(const struct steer *s, const struct addr *from, const uint8_t *bytes,
	size_t n, bool is_secure)
{
	if (is_secure && n == 0)
		return 0;
	if (is_secure && bytes[0] == TYPE_CID)
		return by_cid_at(s, bytes, n, CID_AT);
	if (is_secure && (bytes[0] & UNIFIED_MASK) == UNIFIED_CID)
		return by_cid_at(s, bytes, n, UNIFIED_CID_AT);
	return steer_by_source(s, from);
}

/* ---- the same for the kernel, which shows what is behind the UDP header, and by SKF_NET_OFF the IP header ---- */

struct maker {
	struct sock_filter *to;
	unsigned short n;
};

static void add(struct maker *m, struct sock_filter instruction)
{
	BUG_UNLESS(m->n < STEER_PROGRAM_MAX);
	m->to[m->n++] = instruction;
}

#define ADD(m, what, with) add(m, (struct sock_filter){ (what), 0, 0, (uint32_t)(with) })
#define JUMP_UNLESS(m, value, by)                                                                  \
	add(m, (struct sock_filter){ BPF_JMP | BPF_JEQ | BPF_K, 0, (by), (value) })

static void add_answer(struct maker *m, unsigned count)
{
	ADD(m, BPF_ALU | BPF_MOD | BPF_K, count);
	ADD(m, BPF_RET | BPF_A, 0);
}

static void add_by_cid(struct maker *m, const struct steer *s, unsigned at)
{
	ADD(m, BPF_LD | BPF_B | BPF_ABS, at);
	ADD(m, BPF_ALU | BPF_XOR | BPF_K, s->cid_key);
	add_answer(m, s->count);
}

/* The hash is kept in the first cell of memory, what is mixed into it is in the accumulator. */
static void add_mix(struct maker *m)
{
	ADD(m, BPF_LDX | BPF_W | BPF_MEM, 0);
	ADD(m, BPF_ALU | BPF_XOR | BPF_X, 0);
	ADD(m, BPF_ALU | BPF_MUL | BPF_K, FACTOR);
	ADD(m, BPF_ST, 0);
}

static void add_port_v4(struct maker *m)
{
	ADD(m, BPF_LDX | BPF_B | BPF_MSH, SKF_NET_OFF); /* length of the IP header */
	ADD(m, BPF_LD | BPF_H | BPF_IND, SKF_NET_OFF);
}

/* Behind an extension header nobody looks for the port: any number will do. */
static void add_port_v6(struct maker *m)
{
	ADD(m, BPF_LD | BPF_B | BPF_ABS, SKF_NET_OFF + 6);
	JUMP_UNLESS(m, IPPROTO_UDP, 1);
	ADD(m, BPF_LD | BPF_H | BPF_ABS, SKF_NET_OFF + 40);
}

unsigned short steer_program(const struct steer *s, bool v4, bool is_secure,
	struct sock_filter *program)
{
	struct maker m = { program, 0 };
	if (is_secure) {
		ADD(&m, BPF_LD | BPF_B | BPF_ABS, 0);
		JUMP_UNLESS(&m, TYPE_CID, 4);
		add_by_cid(&m, s, CID_AT);
		ADD(&m, BPF_ALU | BPF_AND | BPF_K, UNIFIED_MASK);
		JUMP_UNLESS(&m, UNIFIED_CID, 4);
		add_by_cid(&m, s, UNIFIED_CID_AT);
	}
	ADD(&m, BPF_LD | BPF_IMM, s->key);
	ADD(&m, BPF_ST, 0);
	for (unsigned i = 0; i < (v4 ? 4U : 16U); i += 4) {
		ADD(&m, BPF_LD | BPF_W | BPF_ABS, SKF_NET_OFF + (v4 ? 12 : 8) + (int)i);
		add_mix(&m);
	}
	if (v4)
		add_port_v4(&m);
	else
		add_port_v6(&m);
	add_mix(&m);
	ADD(&m, BPF_LD | BPF_W | BPF_MEM, 0);
	ADD(&m, BPF_ALU | BPF_RSH | BPF_K, 15);
	add_mix(&m);
	ADD(&m, BPF_ALU | BPF_RSH | BPF_K, 16);
	add_answer(&m, s->count);
	return m.n;
}

/* ---- sockets ---- */

static int share(int fd)
{
	const int on = 1;
	return setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0 ? 0 : -errno;
}

/* The kernel's own choice among the sockets is a choice too, so the program may be missing. */
static void attach(const struct steer *s, int fd, bool v4, bool is_secure)
{
	struct sock_filter program[STEER_PROGRAM_MAX];
	struct sock_fprog p = { steer_program(s, v4, is_secure, program), program };
	(void)setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &p, sizeof(p));
}

/* The first socket is bound alone, so that another program's is noticed, then it lets the others in. The program
 * is for a group, which there is from the second on. */
int steer_bind(const struct steer *s, unsigned worker, int fd, const struct addr *address, bool is_secure)
{
	struct sockaddr_storage ss;
	socklen_t n = addr_to_sockaddr(address, &ss);
	int rc = worker == 0 ? 0 : share(fd);
	if (rc == 0 && bind(fd, (struct sockaddr *)&ss, n) != 0)
		rc = -errno;
	if (rc == 0 && worker == 0)
		rc = share(fd);
	if (rc == 0 && worker + 1 == s->count)
		attach(s, fd, addr_is_v4(address), is_secure);
	return rc;
}
