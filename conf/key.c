/* Keys that stand in files of their own, and who else may read what holds a key. */
#include "conf/conf_int.h"
#include <string.h>
#include <unistd.h>

/* The path that an option names, as it is opened. */
static const char *path_of(struct load *load, const struct section_in *in, enum option_id id)
{
	const char *text = in->given[id].text;
	if (*text == '/')
		return text;
	return arena_printf(&load->scratch, "%s/%s", in->dir, text);
}

/* Cuts white space from both ends. */
static char *trim(char *text)
{
	static const char blanks[] = " \t\r\n";
	text += strspn(text, blanks);
	size_t n = strlen(text);
	while (n > 0 && strchr(blanks, text[n - 1]) != NULL)
		text[--n] = '\0';
	return text;
}

/* A key that others may read is none, and one that they may write is theirs. */
bool key_is_private(struct load *load, const struct section_in *in, enum option_id id,
	const char *path, const struct text *text)
{
	if (text_is_foreign(text))
		option_fault(load, in, id, CONF_ERROR,
			"the file %s belongs to user %u, who may change the key; right is: chown %u %s",
			path, (unsigned)text->owner, (unsigned)geteuid(), path);
	if (text_is_open(text))
		option_fault(load, in, id, CONF_ERROR,
			"the file %s is open to others (mode %04o); right is: chmod 600 %s", path,
			(unsigned)text->mode, path);
	return !text_is_foreign(text) && !text_is_open(text);
}

/* Only a warning: configurations are written by hand, and without keys in them for all to read. */
void key_warn_open(struct load *load, const char *file, const struct text *text)
{
	if (load->keys_inline && text_is_open(text))
		report_add(load->report, (struct conf_where){ file, 0 }, CONF_WARNING,
			"keys stand in this file, and it is open to others (mode %04o); right is: "
			"chmod 600 %s", (unsigned)text->mode, file);
	load->keys_inline = false;
}

void key_load(struct load *load, struct section_in *in, enum option_id direct,
	enum option_id file, struct conf_key *key)
{
	struct text text;
	if (!is_given(in, file) || in->given[file].wrong)
		return;
	if (is_given(in, direct)) {
		option_fault(load, in, file, CONF_ERROR,
			"option %s is given too; right is one of the two",
			schema_row(direct)->name);
		return;
	}
	const char *path = path_of(load, in, file);
	if (!load_file(load, in, file, path, CONF_KEY_FILE_MAX, &load->scratch, &text)) {
		in->given[file].wrong = true;
		return;
	}
	if (memchr(text.bytes, '\0', text.n) != NULL)
		text.bytes[0] = 'x'; /* no hex: the bytes after the zero must not be overlooked */
	if (!key_is_private(load, in, file, path, &text) ||
		!value_key(load, in, file, trim(text.bytes), path, key))
		in->given[file].wrong = true;
	text_wipe(&text);
}
