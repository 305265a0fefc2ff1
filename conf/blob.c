/* Files of certificates and keys: who may write or read them, how long they may be, and whether what
 * stands in them is of the kind that the option asks for. */
#include "conf/conf_int.h"
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a file is to hold. */
enum blob_kind { BLOB_CERT, BLOB_CA, BLOB_PRIVATE_KEY, BLOB_PUBLIC_KEY };

/* How long each may be, and what belongs there. */
static const struct {
	size_t limit;      /* bytes */
	const char *right; /* what belongs there */
} kinds[] = {
	[BLOB_CERT] = { (size_t)64 * 1024, "PEM with CERTIFICATE, or DER" },
	[BLOB_CA] = { (size_t)1024 * 1024, "PEM with CERTIFICATE, or DER" },
	[BLOB_PRIVATE_KEY] = { (size_t)16 * 1024,
		"PEM with PRIVATE KEY or EC PRIVATE KEY, or DER" },
	[BLOB_PUBLIC_KEY] = { (size_t)64 * 1024, "PEM with one PUBLIC KEY or CERTIFICATE, or DER" },
};

/* All may read it; who can write it decides whom we trust. */
static bool is_ours(struct load *load, const struct section_in *in, enum option_id id,
	const char *path, const struct text *text)
{
	bool loose = (text->mode & (S_IWGRP | S_IWOTH)) != 0;
	if (text_is_foreign(text))
		option_fault(load, in, id, CONF_ERROR,
			"the file %s belongs to user %u, who may change it; right is: chown %u %s",
			path, (unsigned)text->owner, (unsigned)geteuid(), path);
	if (loose)
		option_fault(load, in, id, CONF_ERROR,
			"the file %s may be written by others (mode %04o); right is: chmod go-w %s",
			path, (unsigned)text->mode, path);
	return !loose && !text_is_foreign(text);
}

/* How the content is not of the kind, as it follows the file's name; NULL when it is. */
static const char *other_kind(struct load *load, enum blob_kind kind, const struct content *content)
{
	char room[SHOWN];
	unsigned public = content->certificates + content->public_keys;
	if (kind == BLOB_PRIVATE_KEY && content->private_keys != 0) {
		if (content->odd_key)
			return arena_printf(&load->scratch, "holds '%s'",
				shown(room, content->label));
		return content->private_keys > 1 ? "holds more than one private key" : NULL;
	}
	if (content->private_keys != 0)
		return "holds a private key";
	if (kind == BLOB_PUBLIC_KEY && public != 0)
		return public > 1 ? "holds more than one" : NULL;
	if (kind != BLOB_PRIVATE_KEY && content->certificates != 0)
		return NULL;
	if (public != 0)
		return content->public_keys != 0 ? "holds a public key" : "holds a certificate";
	if (content->label[0] == '\0')
		return "holds no line that begins with -----BEGIN";
	return arena_printf(&load->scratch, "holds '%s'", shown(room, content->label));
}

static const char *what_is_wrong(struct load *load, enum blob_kind kind, const struct text *text)
{
	struct content content;
	content_find(text->bytes, text->n, &content);
	if (text->n == 0)
		return "is empty";
	if (content.nothing)
		return "is neither PEM nor DER";
	if (content.broken)
		return "is cut short or damaged";
	if (kind == BLOB_PRIVATE_KEY && content.encrypted)
		return "is encrypted, and nobody is there to ask for its password";
	return other_kind(load, kind, &content);
}

static bool is_fit(struct load *load, const struct section_in *in, enum option_id id,
	enum blob_kind kind, const char *path, const struct text *text)
{
	const char *what = what_is_wrong(load, kind, text);
	if (what == NULL)
		return true;
	const char *right = kinds[kind].right;
	if (strncmp(what, "is encrypted", 12) == 0)
		right = arena_printf(&load->scratch,
			"what this writes: openssl pkey -in %s -out %s.plain", path, path);
	option_fault(load, in, id, CONF_ERROR, "the file %s %s; right is %s", path, what, right);
	return false;
}

static void blob_load(struct load *load, struct section_in *in, enum option_id id,
	enum blob_kind kind, const char *path, struct conf_blob *blob)
{
	struct text text;
	if (path == NULL || in->given[id].wrong)
		return;
	in->given[id].wrong = true;
	if (!load_file(load, in, id, path, kinds[kind].limit, load->arena, &text))
		return;
	bool ours = kind == BLOB_PRIVATE_KEY ? key_is_private(load, in, id, path, &text)
					     : is_ours(load, in, id, path, &text);
	if (ours && is_fit(load, in, id, kind, path, &text)) {
		in->given[id].wrong = false;
		*blob = (struct conf_blob){ (uint8_t *)text.bytes, text.n };
	}
	text_wipe(&text);
}

void blob_load_server(struct load *load, struct section_in *in, struct conf_server *server)
{
	blob_load(load, in, SERVER_CA_FILE, BLOB_CA, server->ca_file, &server->ca);
	blob_load(load, in, SERVER_SERVER_KEY_FILE, BLOB_PUBLIC_KEY, server->server_key_file,
		&server->server_key);
}

void blob_load_listen(struct load *load, struct section_in *in, struct conf_listen *listen)
{
	blob_load(load, in, LISTEN_CERT_FILE, BLOB_CERT, listen->cert_file, &listen->cert);
	blob_load(load, in, LISTEN_PRIVATE_KEY_FILE, BLOB_PRIVATE_KEY, listen->private_key_file,
		&listen->private_key);
	blob_load(load, in, LISTEN_CA_FILE, BLOB_CA, listen->ca_file, &listen->ca);
}

void blob_load_endpoint(struct load *load, struct section_in *in, struct conf_endpoint *endpoint)
{
	blob_load(load, in, ENDPOINT_CERT_FILE, BLOB_CERT, endpoint->cert_file, &endpoint->cert);
	blob_load(load, in, ENDPOINT_PRIVATE_KEY_FILE, BLOB_PRIVATE_KEY,
		endpoint->private_key_file, &endpoint->private_key);
	blob_load(load, in, ENDPOINT_LAN_PUBLIC_KEY_FILE, BLOB_PUBLIC_KEY,
		endpoint->lan_public_key_file, &endpoint->lan_public_key);
}
