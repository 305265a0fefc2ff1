/* What stands in a file of certificates or keys, told from its outside: the labels of PEM, the first
 * tags of DER. Whether it is sound, who parses it finds out; here a file in the wrong place shows. */
#include "conf/conf_int.h"
#include <stdio.h>
#include <string.h>

static bool begins(struct slice line, const char *with)
{
	size_t n = strlen(with);
	return line.n >= n && memcmp(line.p, with, n) == 0;
}

static bool has(struct slice text, const char *word)
{
	return text.n != 0 && memmem(text.p, text.n, word, strlen(word)) != NULL;
}

/* ---- PEM (RFC 7468) ---- */

/* Takes a line, without its end and the blanks before it. */
static struct slice take_line(struct cursor *c)
{
	const uint8_t *newline = memchr(c->p, '\n', cur_left(c));
	size_t n = newline != NULL ? (size_t)(newline - c->p) + 1 : cur_left(c);
	struct slice line = cur_take(c, n);
	while (line.n > 0 && memchr(" \t\r\n", line.p[line.n - 1], 4) != NULL)
		line.n--;
	return line;
}

/* The label of a line that begins or ends a part, or an empty slice. */
static struct slice label_of(struct slice line, const char *edge)
{
	static const char dashes[] = "-----";
	size_t before = strlen(edge);
	size_t after = sizeof(dashes) - 1;
	struct slice none = { NULL, 0 };
	if (!begins(line, edge) || line.n <= before + after)
		return none;
	struct slice label = { line.p + before, line.n - before - after };
	return memcmp(label.p + label.n, dashes, after) == 0 ? label : none;
}

static void count_label(struct slice label, struct content *content)
{
	static const char key[] = "PRIVATE KEY";
	size_t n = sizeof(key) - 1;
	bool encrypted = slice_is(label, "ENCRYPTED PRIVATE KEY");
	bool private = label.n >= n && memcmp(label.p + label.n - n, key, n) == 0;
	bool taken = slice_is(label, key) || slice_is(label, "EC PRIVATE KEY") || encrypted;
	content->encrypted = content->encrypted || encrypted;
	content->private_keys += private;
	content->odd_key = content->odd_key || (private && !taken);
	if (slice_is(label, "CERTIFICATE"))
		content->certificates++;
	else if (slice_is(label, "PUBLIC KEY"))
		content->public_keys++;
	else if (!taken && (private || content->label[0] == '\0'))
		snprintf(content->label, sizeof(content->label), "%.*s",
			(int)(label.n < 40 ? label.n : 40), (const char *)label.p);
}

static bool is_base64(struct slice line)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		"0123456789+/=";
	for (size_t i = 0; i < line.n; i++)
		if (memchr(digits, line.p[i], sizeof(digits) - 1) == NULL)
			return false;
	return true;
}

/* Takes a part behind its first line up to its last one; false when it is cut short or damaged. */
static bool take_part(struct cursor *c, struct slice label, struct content *content)
{
	size_t body = 0;
	while (cur_left(c) != 0) {
		struct slice line = take_line(c);
		if (begins(line, "-----"))
			return body != 0 && slice_eq(label_of(line, "-----END "), label);
		bool header = has(line, ":"); /* RFC 1421; old private keys have them */
		if (!header && !is_base64(line))
			return false;
		content->encrypted = content->encrypted || (header && has(line, "ENCRYPTED"));
		body += header ? 0 : line.n;
	}
	return false;
}

static void look_at_pem(struct slice text, struct content *content)
{
	static const char mark[] = "\xef\xbb\xbf"; /* of UTF-8: some editors put it in front */
	struct cursor c = cur_of(text.p, text.n);
	if (begins(text, mark))
		(void)cur_take(&c, sizeof(mark) - 1);
	while (cur_left(&c) != 0 && !content->broken) {
		struct slice label = label_of(take_line(&c), "-----BEGIN ");
		if (label.n == 0)
			continue; /* words between the parts are allowed */
		count_label(label, content);
		content->broken = !take_part(&c, label, content);
	}
}

/* ---- DER (X.690) ---- */

enum { DER_INTEGER = 0x02, DER_BITS = 0x03, DER_BYTES = 0x04, DER_NAME = 0x06, DER_SEQUENCE = 0x30 };

static struct slice take_element(struct cursor *c, uint8_t *tag)
{
	*tag = cur_u8(c);
	size_t n = cur_u8(c);
	if (n >= 0x80) {
		size_t bytes = n & 0x7f;
		for (n = bytes > 3 ? SIZE_MAX : 0; bytes > 0 && bytes <= 3; bytes--)
			n = n << 8 | cur_u8(c);
	}
	return cur_take(c, n);
}

/* Every private key begins with a number; a public key and an encrypted private key with the name of
 * an algorithm; a certificate with what is signed, which begins with neither. */
static void look_at_der(struct slice whole, struct content *content)
{
	uint8_t tag[4] = { 0 };
	struct cursor c = cur_of(whole.p, whole.n);
	struct slice body = take_element(&c, &tag[0]);
	struct cursor in = cur_of(body.p, body.n);
	struct slice first = take_element(&in, &tag[1]);
	content->broken = c.broken || in.broken || cur_left(&c) != 0 || tag[0] != DER_SEQUENCE;
	if (content->broken)
		return;
	if (tag[1] == DER_INTEGER) {
		content->private_keys = 1;
		return;
	}
	struct cursor deep = cur_of(first.p, first.n);
	(void)take_element(&deep, &tag[2]);
	(void)take_element(&in, &tag[3]);
	content->broken = deep.broken || in.broken || tag[1] != DER_SEQUENCE;
	content->encrypted = tag[2] == DER_NAME && tag[3] == DER_BYTES;
	content->private_keys = content->encrypted;
	content->public_keys = tag[2] == DER_NAME && tag[3] == DER_BITS;
	content->certificates = tag[2] != DER_NAME;
}

void content_find(const void *bytes, size_t n, struct content *content)
{
	struct slice text = { bytes, n };
	*content = (struct content){ .broken = false };
	if (has(text, "-----BEGIN "))
		look_at_pem(text, content);
	else if (n != 0 && text.p[0] == DER_SEQUENCE)
		look_at_der(text, content);
	else
		content->nothing = true;
}
