/* Records that we protect ourselves, without a session: published vectors of the cipher, numbers, nonces, the window. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/hex.h"
#include "base/rand.h"
#include "dtls/record12_int.h"
#include "dtls_suites.h"

#define SLICE(text) ((struct slice){ (const uint8_t *)(text), sizeof(text) - 1 })

/* ---- the cipher ---- */

/* CCM: NIST SP 800-38C, example 3. GCM: McGrew and Viega, "The Galois/Counter Mode of Operation", test case 4. */
static const struct {
	enum aead cipher;
	const char *key, *nonce, *aad, *plain, *sealed;
} vectors[] = {
	{ AEAD_CCM_8, "404142434445464748494a4b4c4d4e4f", "101112131415161718191a1b",
		"000102030405060708090a0b0c0d0e0f10111213",
		"202122232425262728292a2b2c2d2e2f3031323334353637",
		"e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5484392fbc1b09951" },
	{ AEAD_GCM, "feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
		"feedfacedeadbeeffeedfacedeadbeefabaddad2",
		"d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c959568"
		"09532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
		"42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466"
		"931c7d8f6a5aac84aa051ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47" },
};

static size_t bytes_of(const char *hex, uint8_t out[128])
{
	long n = hex_decode(hex, strlen(hex), out, 128);
	ck_assert_int_gt(n, 0);
	return (size_t)n;
}

START_TEST(published_vectors)
{
	uint8_t key[128], nonce[128], aad[128], plain[128], sealed[128], out[128];
	ck_assert_uint_eq(bytes_of(vectors[_i].key, key), AEAD_KEY);
	ck_assert_uint_eq(bytes_of(vectors[_i].nonce, nonce), AEAD_NONCE);
	struct aead_use use = { vectors[_i].cipher, key, nonce,
		{ aad, bytes_of(vectors[_i].aad, aad) } };
	size_t n = bytes_of(vectors[_i].plain, plain),
	       sealed_n = bytes_of(vectors[_i].sealed, sealed);
	ck_assert_uint_eq(sealed_n, n + aead_tag(use.cipher));
	ck_assert(aead_seal(&use, (struct slice){ plain, n }, out));
	ck_assert_mem_eq(out, sealed, sealed_n);
	ck_assert(aead_open(&use, (struct slice){ sealed, sealed_n }, out));
	ck_assert_mem_eq(out, plain, n);
	for (size_t bit = 0; bit < sealed_n * 8; bit++) {
		sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert(!aead_open(&use, (struct slice){ sealed, sealed_n }, out));
		for (size_t i = 0; i < n; i++)
			ck_assert_uint_eq(
				out[i], 0); /* nothing is left of what was not authentic */
		sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t cut = 0; cut < sealed_n; cut++)
		ck_assert(!aead_open(&use, (struct slice){ sealed, cut }, out));
}
END_TEST

/* ---- two ends of one session, as bytes ---- */

static const enum aead ciphers[] = { AEAD_CCM_8, AEAD_CCM, AEAD_GCM };

/* Both ends have the same keys; the ids are of those lengths, 0 for none. */
static void two_ends(
	struct record12 *a, struct record12 *b, enum aead cipher, uint8_t a_cid, uint8_t b_cid)
{
	memset(a, 0, sizeof(*a));
	rand_bytes(a->read_key, sizeof(a->read_key));
	rand_bytes(a->write_key, sizeof(a->write_key));
	rand_bytes(a->read_salt, sizeof(a->read_salt));
	rand_bytes(a->write_salt, sizeof(a->write_salt));
	rand_bytes(&a->nonce_base, sizeof(a->nonce_base));
	a->cipher = (uint8_t)cipher;
	a->next = 1;
	*b = *a;
	memcpy(b->read_key, a->write_key, AEAD_KEY);
	memcpy(b->write_key, a->read_key, AEAD_KEY);
	memcpy(b->read_salt, a->write_salt, RECORD12_SALT);
	memcpy(b->write_salt, a->read_salt, RECORD12_SALT);
	rand_bytes(&b->nonce_base, sizeof(b->nonce_base));
	rand_bytes(a->own_cid, a->own_cid_n = a_cid);
	memcpy(b->peer_cid, a->own_cid, b->peer_cid_n = a_cid);
	rand_bytes(b->own_cid, b->own_cid_n = b_cid);
	memcpy(a->peer_cid, b->own_cid, a->peer_cid_n = b_cid);
	(void)record12_pass(a, 0);
	(void)record12_pass(b, 0);
}

static bool take(struct record12 *r, const uint8_t *bytes, size_t n, uint8_t *room, size_t size,
	struct record12_plain *plain)
{
	struct header_rules rules = {
		.established = true, .cid = r->own_cid_n, .cid_only = r->own_cid_n > 0
	};
	struct cursor c = cur_of(bytes, n);
	struct header h;
	return header_next(&c, &rules, &h) == DTLS_HEADER_OK &&
	       record12_open(r, &h, room, size, plain);
}

START_TEST(what_one_end_seals_the_other_opens)
{
	static uint8_t plain[DTLS_WRITE_MAX], out[RECORD12_MAX], room[DTLS_RECORD_MAX];
	static const size_t sizes[] = { 1, 15, 16, 17, 64, 1200, DTLS_WRITE_MAX - 1,
		DTLS_WRITE_MAX };
	struct record12 a, b;
	struct record12_plain got;
	rand_bytes(plain, sizeof(plain));
	for (unsigned k = 0; k < 4; k++) {
		two_ends(&a, &b, ciphers[_i], k & 1 ? 5 : 0, k & 2 ? DTLS_CID_MAX : 0);
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			size_t n = record12_seal(
				&a, HEADER_APPLICATION, (struct slice){ plain, sizes[i] }, out);
			ck_assert_uint_eq(n, 13 + a.peer_cid_n + (a.peer_cid_n > 0) + 8 + sizes[i] +
						     aead_tag(a.cipher));
			ck_assert(take(&b, out, n, room, sizeof(room), &got));
			ck_assert_uint_eq(got.type, HEADER_APPLICATION);
			ck_assert_uint_eq(got.n, sizes[i]);
			ck_assert_mem_eq(room, plain, sizes[i]);
			ck_assert(got.newest);
		}
	}
}
END_TEST

START_TEST(an_id_of_32_bytes_is_written)
{
	uint8_t out[RECORD12_MAX];
	struct record12 a, b;
	two_ends(&a, &b, AEAD_CCM_8, 0, 0);
	a.peer_cid_n = RECORD12_CID;
	memset(a.peer_cid, 7, RECORD12_CID);
	ck_assert_uint_eq(
		record12_seal(&a, HEADER_APPLICATION, SLICE("x"), out), 13 + 32 + 8 + 2 + 8);
	for (size_t i = 0; i < RECORD12_CID; i++)
		ck_assert_uint_eq(out[11 + i], 7);
}
END_TEST

/* Every bit and every length, with and without an id: nothing passes, and nothing moves. */
START_TEST(every_bit_of_a_record_counts)
{
	uint8_t out[RECORD12_MAX], room[64], spoilt[128];
	struct record12 a, b;
	struct record12_plain got;
	for (unsigned k = 0; k < 2; k++) {
		two_ends(&a, &b, ciphers[_i], 0, k ? DTLS_CID_MAX : 0);
		size_t n = record12_seal(&a, HEADER_APPLICATION, SLICE("payload"), out);
		struct record12 before = b;
		for (size_t bit = 0; bit < n * 8; bit++) {
			memcpy(spoilt, out, n);
			spoilt[bit / 8] ^= (uint8_t)(1 << bit % 8);
			ck_assert_msg(
				!take(&b, spoilt, n, room, sizeof(room), &got), "bit %zu", bit);
		}
		for (size_t cut = 0; cut < n; cut++) {
			ck_assert(!take(&b, out, cut, room, sizeof(room), &got));
			if (cut < 13 + b.own_cid_n)
				continue;
			memcpy(spoilt, out, n); /* and the header says so */
			spoilt[12 + b.own_cid_n] = (uint8_t)(cut - 13 - b.own_cid_n);
			ck_assert(!take(&b, spoilt, cut, room, sizeof(room), &got));
		}
		ck_assert_mem_eq(&b, &before, sizeof(b));
		ck_assert(take(&b, out, n, room, sizeof(room), &got));
	}
}
END_TEST

/* RFC 9146 3: one of the ids is another session's. */
START_TEST(another_id_is_refused)
{
	uint8_t out[RECORD12_MAX], room[64];
	struct record12 a, b;
	struct record12_plain got;
	two_ends(&a, &b, AEAD_CCM_8, 0, 8);
	a.peer_cid[7] ^= 1; /* sealed with it, so that only the comparison can tell */
	size_t n = record12_seal(&a, HEADER_APPLICATION, SLICE("x"), out);
	ck_assert(!take(&b, out, n, room, sizeof(room), &got));
	a.peer_cid_n = 0; /* none where one was agreed: the filter's and ours */
	n = record12_seal(&a, HEADER_APPLICATION, SLICE("x"), out);
	struct header h = { .record = { out, n },
		.body = { out + 13, n - 13 },
		.type = HEADER_APPLICATION,
		.epoch = 1,
		.number = a.next - 1 };
	ck_assert(!record12_open(&b, &h, room, sizeof(room), &got));
	b.own_cid_n = 0;
	ck_assert(record12_open(&b, &h, room, sizeof(room), &got));
}
END_TEST

/* The room may be smaller than what is protected, as long as the content fits. */
START_TEST(padding_needs_no_room)
{
	uint8_t out[RECORD12_MAX], room[4], inner[200] = { 'f', 'o', 'u', 'r', HEADER_APPLICATION };
	struct record12 a, b;
	struct record12_plain got;
	two_ends(&a, &b, AEAD_CCM, 0, 3);
	/* The last byte of what is sealed is taken for a type of 0: padding. */
	size_t n = record12_seal(&a, 0, (struct slice){ inner, sizeof(inner) }, out);
	ck_assert(take(&b, out, n, room, sizeof(room), &got));
	ck_assert_uint_eq(got.n, 4);
	ck_assert_uint_eq(got.type, HEADER_APPLICATION);
	ck_assert_mem_eq(room, "four", 4);
	n = record12_seal(&a, 0, (struct slice){ inner, sizeof(inner) }, out);
	ck_assert(!take(&b, out, n, room, 3, &got));
	n = record12_seal(&a, 0, (struct slice){ inner + 10, 20 }, out); /* zeros, and no type */
	ck_assert(!take(&b, out, n, room, sizeof(room), &got));
	ck_assert(!take(&b, out, n, inner, sizeof(inner), &got));
}
END_TEST

/* RFC 5246 6.2.1, also where padding makes the record no longer than one may be. */
START_TEST(more_content_than_a_record_may_have_is_refused)
{
	static uint8_t out[RECORD12_MAX + 200], room[17000], plain[DTLS_RECORD_MAX + 1];
	struct record12 a, b;
	struct record12_plain got;
	two_ends(&a, &b, AEAD_CCM_8, 0, 0);
	for (size_t n = DTLS_RECORD_MAX; n <= DTLS_RECORD_MAX + 1; n++) {
		uint8_t nonce[AEAD_NONCE] = { 0 }, aad[13] = { 0, 1, 0, 0, 0, 0, 0, (uint8_t)n, 23,
			0xfe, 0xfd, (uint8_t)(n >> 8), (uint8_t)n };
		memcpy(nonce, a.write_salt, 4);
		memcpy(out, "\x17\xfe\xfd\0\1\0\0\0\0\0", 10);
		out[10] = aad[7] = (uint8_t)(n - DTLS_RECORD_MAX + 1);
		out[11] = (uint8_t)((n + 16) >> 8);
		out[12] = (uint8_t)(n + 16);
		struct aead_use use = { AEAD_CCM_8, a.write_key, nonce, { aad, sizeof(aad) } };
		ck_assert(aead_seal(&use, (struct slice){ plain, n }, out + 21));
		ck_assert(
			take(&b, out, n + 29, room, sizeof(room), &got) == (n == DTLS_RECORD_MAX));
	}
}
END_TEST

/* ---- numbers ---- */

static bool came(struct record12 *r, struct record12 *peer, uint64_t number)
{
	uint8_t out[RECORD12_MAX], room[8];
	struct record12_plain got;
	peer->next = number;
	size_t n = record12_seal(peer, HEADER_APPLICATION, SLICE("x"), out);
	return take(r, out, n, room, sizeof(room), &got);
}

/* RFC 6347 4.1.2.6, and any jump forward. */
START_TEST(the_window_is_of_64_records)
{
	static const struct {
		uint64_t number;
		bool passes;
	} rows[] = { { 0, false }, { 1, true }, { 1, false }, { 100, true }, { 100 - 63, true },
		{ 100 - 63, false }, { 100 - 64, false }, { 2, false }, { 99, true },
		{ 100, false }, { 163, true }, { 101, true }, { 100, false }, { 162, true },
		{ 1ull << 32, true }, { 163, false }, { (1ull << 32) - 63, true },
		{ (1ull << 32) - 64, false }, { (1ull << 48) - 100, true },
		{ (1ull << 48) - 163, true }, { (1ull << 48) - 164, false },
		{ (1ull << 48) - 1, true }, { (1ull << 48) - 1, false }, { 1, false } };
	struct record12 a, b;
	two_ends(&a, &b, AEAD_CCM_8, 0, 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_msg(came(&a, &b, rows[i].number) == rows[i].passes, "row %zu", i);
}
END_TEST

/* Against a list of all that came. */
START_TEST(no_number_passes_twice_in_any_order)
{
	enum { NUMBERS = 400, ROUNDS = 4000 };
	static bool seen[NUMBERS] = { true };
	uint64_t top = 0;
	struct record12 a, b;
	unsigned seed;
	two_ends(&a, &b, AEAD_GCM, 0, 0);
	rand_bytes(&seed, sizeof(seed));
	printf("no_number_passes_twice_in_any_order: seed %u\n", seed);
	srand(seed);
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t number = (unsigned)rand() % (1 + i * (NUMBERS - 1) / ROUNDS);
		bool passes = number > top || (top - number < 64 && !seen[number]);
		ck_assert_msg(came(&a, &b, number) == passes, "%u behind %u", (unsigned)number,
			(unsigned)top);
		seen[number] = true;
		top = number > top ? number : top;
	}
}
END_TEST

START_TEST(numbers_come_to_an_end_and_never_wrap)
{
	uint8_t out[RECORD12_MAX], room[8];
	struct record12 a, b;
	struct record12_plain got;
	two_ends(&a, &b, AEAD_GCM, 0, 0);
	a.next = RECORD12_NUMBERS - RECORD12_SPARE - 1;
	ck_assert(!record12_is_worn(&a));
	ck_assert_uint_gt(record12_seal(&a, HEADER_APPLICATION, SLICE("x"), out), 0);
	ck_assert(record12_is_worn(&a));
	for (unsigned i = 0; i < RECORD12_SPARE; i++) {
		size_t n = record12_seal(&a, HEADER_ALERT, SLICE("\1\0"), out);
		ck_assert(take(&b, out, n, room, sizeof(room), &got));
	}
	for (unsigned i = 0; i < 3; i++)
		ck_assert_uint_eq(record12_seal(&a, HEADER_ALERT, SLICE("\1\0"), out), 0);
}
END_TEST

/* ---- what the library's own records tell ---- */

static size_t put_one(uint8_t *out, uint8_t type, size_t cid, uint64_t number, uint64_t nonce)
{
	struct writer w = put_into(out, 64);
	put_u8(&w, type);
	put_u16(&w, 0xfefd);
	put_u16(&w, 1);
	for (int shift = 32; shift >= 0; shift -= 16)
		put_u16(&w, (uint16_t)(number >> shift));
	for (size_t i = 0; i < cid; i++)
		put_u8(&w, 0xcc);
	put_u16(&w, 8 + 1 + 8);
	for (int shift = 48; shift >= 0; shift -= 16)
		put_u16(&w, (uint16_t)(nonce >> shift));
	put_bytes(&w, "123456789", 9);
	ck_assert(!w.broken);
	return put_len(&w);
}

/* A library whose nonces go their own way keeps its sessions. */
START_TEST(nonces_that_do_not_follow_the_numbers_are_seen)
{
	static const struct {
		uint64_t number[3], nonce[3];
		bool ready;
	} rows[] = {
		{ { 0, 1, 2 }, { 0, 1, 2 }, true },
		{ { 0, 1, 2 }, { 77, 78, 79 }, true },
		{ { 5, 6, 9 }, { 1, 2, 5 }, true },
		{ { 0, 1, 2 }, { UINT64_MAX, 0, 1 }, true },
		{ { 0, 1, 2 }, { 0, 1, 3 }, false },
		{ { 0, 1, 2 }, { 0, 0, 2 }, false },
		{ { 0, 1, 2 }, { 8, 9, 9 }, false },
		{ { 0, 2, 1 }, { 0, 2, 1 }, false },
		{ { 0, 1, 1 }, { 0, 1, 1 }, false },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (unsigned cid = 0; cid < 9; cid += 8) {
			uint8_t datagram[200];
			struct record12 r = { .is_known = true };
			size_t n = 0;
			memcpy(datagram, "\x14\xfe\xfd\0\0\0\0\0\0\0\4\0\1\1", 14); /* epoch 0 */
			n = 14;
			ck_assert(!record12_is_ready(&r));
			for (int k = 0; k < 2; k++)
				n += put_one(datagram + n, cid ? 25 : 22, cid, rows[i].number[k],
					rows[i].nonce[k]);
			record12_watch(&r, datagram, n, cid);
			n = put_one(
				datagram, cid ? 25 : 23, cid, rows[i].number[2], rows[i].nonce[2]);
			record12_watch(&r, datagram, n, cid);
			ck_assert_msg(record12_is_ready(&r) == rows[i].ready, "row %zu", i);
			if (rows[i].ready)
				ck_assert_uint_eq(r.next, rows[i].number[2] + 1);
			record12_watch(&r, datagram, n - 1, cid); /* cut: nobody knows */
			ck_assert(!record12_is_ready(&r));
		}
}
END_TEST

Suite *record12_suite(void)
{
	Suite *s = suite_create("dtls records of our own");
	TCase *c = tcase_create("each cipher");
	tcase_add_loop_test(c, published_vectors, 0, sizeof(vectors) / sizeof(vectors[0]));
	tcase_add_loop_test(c, what_one_end_seals_the_other_opens, 0, 3);
	tcase_add_loop_test(c, every_bit_of_a_record_counts, 0, 3);
	suite_add_tcase(s, c);
	SUITE_TEST(s, an_id_of_32_bytes_is_written);
	SUITE_TEST(s, another_id_is_refused);
	SUITE_TEST(s, padding_needs_no_room);
	SUITE_TEST(s, more_content_than_a_record_may_have_is_refused);
	SUITE_TEST(s, the_window_is_of_64_records);
	SUITE_TEST(s, no_number_passes_twice_in_any_order);
	SUITE_TEST(s, numbers_come_to_an_end_and_never_wrap);
	SUITE_TEST(s, nonces_that_do_not_follow_the_numbers_are_seen);
	return s;
}
