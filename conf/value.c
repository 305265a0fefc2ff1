/* Values: text to what it means, by the type of the option, and back. */
#include "conf/conf_int.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "base/hex.h"
#include "conf/uci_int.h"

/* The place of the option's value. */
static void *place(enum option_id id, void *section)
{
	return (char *)section + schema_row(id)->place;
}

static const void *place_const(enum option_id id, const void *section)
{
	return (const char *)section + schema_row(id)->place;
}

/* Says what is wrong with a value, and what would be right. Keys are not shown. */
static void wrong(struct load *load, struct section_in *in, enum option_id id, const char *text,
	const char *what)
{
	char values[160];
	char room[SHOWN];
	const struct conf_option *row = schema_row(id);
	const char *quote = row->type == CONF_TYPE_KEY ? "" : "'";
	conf_option_values(row, values, sizeof(values));
	in->given[id].wrong = true;
	option_fault(load, in, id, CONF_ERROR, "%s%s%s %s; right is %s (%s)", quote,
		row->type == CONF_TYPE_KEY ? "the key" : shown(room, text), quote, what, values,
		row->help);
}

/* ---- bool, number, choice: all are numbers ---- */

static const char *read_bool(const char *text, uint64_t *value)
{
	static const char *const yes[] = { "1", "on", "true", "yes", "enabled" };
	static const char *const no[] = { "0", "off", "false", "no", "disabled" };
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		*value = strcmp(text, yes[i]) == 0;
		if (*value == 1 || strcmp(text, no[i]) == 0)
			return NULL;
	}
	return "is neither yes nor no";
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 16;
}

/* Reads all digits of the base; returns where they end. A number too large stays too large. */
static const char *read_digits(const char *text, int base, uint64_t *value)
{
	for (*value = 0; digit(*text) < base; text++)
		if (*value <= UINT32_MAX)
			*value = *value * (uint64_t)base + (uint64_t)digit(*text);
	return text;
}

static const char *read_number(const struct conf_option *row, const char *text, uint64_t *value)
{
	*value = 0;
	if (row->choices != NULL && strcmp(text, row->choices) == 0)
		return NULL;
	bool hex = strncasecmp(text, "0x", 2) == 0;
	const char *first = hex ? text + 2 : text;
	const char *end = read_digits(first, hex ? 16 : 10, value);
	if (end == first)
		return "is no number";
	if (!hex && first[0] == '0' && end - first > 1)
		return "begins with 0, which others read as octal";
	if (*end != '\0')
		return "has something behind the number; units are not written";
	return *value < row->min || *value > row->max ? "is out of range" : NULL;
}

/* The words of a choice by number; NULL beyond the last. n is the word's length. */
static const char *choice(const struct conf_option *row, unsigned number, size_t *n)
{
	const char *word = row->choices;
	for (; number > 0 && word != NULL; number--) {
		word = strchr(word, ' ');
		word = word != NULL ? word + 1 : NULL;
	}
	*n = word != NULL ? strcspn(word, " ") : 0;
	return word;
}

static const char *read_choice(const struct conf_option *row, const char *text, uint64_t *value)
{
	size_t n;
	unsigned number = 0;
	for (const char *word; (word = choice(row, number, &n)) != NULL; number++)
		if (strlen(text) == n && memcmp(text, word, n) == 0) {
			*value = number;
			return NULL;
		}
	return "is none of the words";
}

static const char *read_as_number(const struct conf_option *row, const char *text, uint64_t *value)
{
	if (row->type == CONF_TYPE_BOOL)
		return read_bool(text, value);
	if (row->type == CONF_TYPE_CHOICE)
		return read_choice(row, text, value);
	return read_number(row, text, value);
}

/* The levels of log.h, in the order of the words. */
static const enum log_level levels[] = { LOG_LEVEL_ERR, LOG_LEVEL_WARN, LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG };

static void store_number(enum option_id id, void *section, uint64_t value)
{
	void *to = place(id, section);
	uint32_t wide = (uint32_t)value;
	uint16_t half = (uint16_t)value;
	bool flag = value != 0;
	if (id == GATEWAY_LOG_LEVEL)
		wide = levels[value];
	if (schema_row(id)->type == CONF_TYPE_BOOL)
		memcpy(to, &flag, sizeof(flag));
	else if (schema_row(id)->size == sizeof(half))
		memcpy(to, &half, sizeof(half));
	else
		memcpy(to, &wide, sizeof(wide));
}

static uint32_t fetch_number(enum option_id id, const void *section)
{
	const void *from = place_const(id, section);
	uint32_t wide;
	uint16_t half;
	bool flag;
	if (schema_row(id)->type == CONF_TYPE_BOOL) {
		memcpy(&flag, from, sizeof(flag));
		return flag;
	}
	if (schema_row(id)->size == sizeof(half)) {
		memcpy(&half, from, sizeof(half));
		return half;
	}
	memcpy(&wide, from, sizeof(wide));
	for (uint32_t i = 0; id == GATEWAY_LOG_LEVEL && i < sizeof(levels) / sizeof(levels[0]); i++)
		if (wide == levels[i])
			return i;
	return wide;
}

int value_number(enum option_id id, const void *section)
{
	return (int)fetch_number(id, section);
}

static void set_number(struct load *load, struct section_in *in, enum option_id id, void *section)
{
	const struct conf_option *row = schema_row(id);
	const char *text = is_given(in, id) ? in->given[id].text : row->standard;
	uint64_t value = 0;
	const char *what = text != NULL ? read_as_number(row, text, &value) : NULL;
	if (what != NULL)
		wrong(load, in, id, text, what);
	else
		store_number(id, section, value);
}

/* ---- texts ---- */

static const char *check_text(const struct conf_option *row, const char *text)
{
	size_t n = strlen(text);
	if (n < row->min)
		return "is too short";
	if (n > row->max)
		return "is too long";
	for (const char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < 32 || *c == 127)
			return "has a control character";
	return NULL;
}

static void set_text(struct load *load, struct section_in *in, enum option_id id, void *section)
{
	const struct conf_option *row = schema_row(id);
	const char *text = in->given[id].text;
	const char *what = check_text(row, text);
	if (what != NULL) {
		wrong(load, in, id, text, what);
	} else if (row->size != 0) {
		const char *copy = row->type == CONF_TYPE_PATH && *text != '/'
			? arena_printf(load->arena, "%s/%s", in->dir, text)
			: arena_copy(load->arena, text, strlen(text));
		memcpy(place(id, section), &copy, sizeof(copy));
	}
}

/* The items of a list, or the words of an `option`, in the arena; NULL when there is no memory. */
static const char **items(struct load *load, const struct given *given, size_t *count)
{
	static const char blanks[] = " \t\n\r\v\f";
	size_t most = 1;
	for (const struct uci_value *v = given->list; v != NULL; v = v->next)
		most++;
	for (const char *c = given->text; *c != '\0'; c++)
		most += strchr(blanks, *c) != NULL;
	const char **item = arena_alloc(load->arena, most * sizeof(*item));
	*count = 0;
	if (item == NULL)
		return NULL;
	for (const struct uci_value *v = given->list; v != NULL; v = v->next)
		item[(*count)++] = arena_copy(load->arena, v->text, strlen(v->text));
	const char *word = given->list == NULL ? given->text : "";
	while (*(word += strspn(word, blanks)) != '\0') {
		size_t n = strcspn(word, blanks);
		item[(*count)++] = arena_copy(load->arena, word, n);
		word += n;
	}
	return item;
}

/* The line of an item: a list has its own for each. */
static unsigned item_line(const struct given *given, size_t number)
{
	const struct uci_value *v = given->list;
	for (; v != NULL && v->next != NULL && number > 0; number--)
		v = v->next;
	return v != NULL ? v->line : given->line;
}

/* Says what is wrong with one item of a list. */
static void wrong_item(struct load *load, struct section_in *in, enum option_id id, size_t number,
	const char *item, const char *what)
{
	unsigned first = in->given[id].line;
	in->given[id].line = item_line(&in->given[id], number);
	wrong(load, in, id, item, what);
	in->given[id].line = first;
}

static void set_texts(struct load *load, struct section_in *in, enum option_id id, void *section)
{
	struct conf_list list = { NULL, 0 };
	list.item = items(load, &in->given[id], &list.count);
	for (size_t i = 0; i < list.count; i++) {
		const char *what = check_text(schema_row(id), list.item[i]);
		if (what != NULL)
			wrong_item(load, in, id, i, list.item[i], what);
	}
	memcpy(place(id, section), &list, sizeof(list));
}

/* ---- addresses ---- */

static const char *read_address(const char *text, bool port, struct addr *address)
{
	if (addr_parse(address, text) != 0)
		return strchr(text, '%') != NULL ? "is no address, or its interface is not there"
						 : "is no IP address";
	if (!port && address->port != 0)
		return "has a port; ports are given by coap and coaps";
	if (addr_is_multicast(address))
		return "is a multicast address";
	if (port && addr_is_any(address))
		return "is no device's address";
	return NULL;
}

static void set_address(struct load *load, struct section_in *in, enum option_id id, void *section)
{
	struct addr address = { .port = 0 };
	const char *what = read_address(in->given[id].text, true, &address);
	if (what != NULL)
		wrong(load, in, id, in->given[id].text, what);
	else
		memcpy(place(id, section), &address, sizeof(address));
}

static void set_addresses(struct load *load, struct section_in *in, enum option_id id,
	struct conf_listen *listen)
{
	size_t count;
	const char **item = items(load, &in->given[id], &count);
	struct addr *address = arena_alloc(load->arena, (count + 1) * sizeof(*address));
	if (item == NULL || address == NULL)
		return;
	for (size_t i = 0; i < count; i++) {
		const char *what = read_address(item[i], false, &address[i]);
		if (what != NULL)
			wrong_item(load, in, id, i, item[i], what);
	}
	listen->address = address;
	listen->address_count = count;
}

/* ---- keys ---- */

static bool is_hex(const char *text)
{
	while (digit(*text) < 16)
		text++;
	return *text == '\0';
}

static const char *key_fault(const char *hex)
{
	size_t n = strlen(hex);
	if (n == 0)
		return "is empty";
	if (!is_hex(hex))
		return "is not hex";
	if (n % 2 != 0)
		return "has an odd number of hex digits";
	return n / 2 > CONF_KEY_MAX ? "is too long" : NULL;
}

bool value_key(struct load *load, struct section_in *in, enum option_id id, const char *hex,
	const char *from, struct conf_key *key)
{
	char values[160];
	const struct conf_option *row = schema_row(id);
	size_t n = strlen(hex) / 2;
	const char *what = key_fault(hex);
	if (what == NULL) {
		key->bytes = arena_alloc(load->arena, n);
		key->n = key->bytes != NULL ? n : 0;
		return key->bytes != NULL && hex_decode(hex, 2 * n, key->bytes, n) == (long)n;
	}
	in->given[id].wrong = true;
	conf_option_values(schema_row(ENDPOINT_KEY), values, sizeof(values));
	option_fault(load, in, id, CONF_ERROR, "the key%s%s %s; right is %s (%s)",
		from != NULL ? " in " : "", from != NULL ? from : "", what, values, row->help);
	return false;
}

/* ---- all of them ---- */

static bool takes_list(enum option_id id)
{
	enum conf_type type = schema_row(id)->type;
	return type == CONF_TYPE_TEXTS || type == CONF_TYPE_ADDRESSES;
}

static void set_given(struct load *load, struct section_in *in, enum option_id id, void *section)
{
	switch (schema_row(id)->type) {
	case CONF_TYPE_BOOL:
	case CONF_TYPE_NUMBER:
	case CONF_TYPE_CHOICE:
		set_number(load, in, id, section);
		break;
	case CONF_TYPE_TEXT:
	case CONF_TYPE_PATH:
	case CONF_TYPE_SERVER:
	case CONF_TYPE_LISTEN:
	case CONF_TYPE_URI:
		set_text(load, in, id, section);
		break;
	case CONF_TYPE_KEY:
		if (!value_key(load, in, id, in->given[id].text, NULL, place(id, section)))
			in->given[id].wrong = true;
		break;
	case CONF_TYPE_ADDRESS:
		set_address(load, in, id, section);
		break;
	case CONF_TYPE_TEXTS:
		set_texts(load, in, id, section);
		break;
	case CONF_TYPE_ADDRESSES:
		set_addresses(load, in, id, section);
		break;
	}
}

void value_set(struct load *load, struct section_in *in, enum option_id id, void *section)
{
	if (!is_given(in, id)) {
		if (schema_row(id)->standard != NULL)
			set_number(load, in, id, section);
	} else if (in->given[id].list != NULL && !takes_list(id)) {
		in->given[id].wrong = true;
		option_fault(load, in, id, CONF_ERROR,
			"it is given as a list; it takes one value, given by `option`");
	} else {
		set_given(load, in, id, section);
	}
}

static void print_text(const char *word, const char *name, const char *text, FILE *out)
{
	fprintf(out, "\t%s %s ", word, name);
	uci_quote(text, out);
	fputc('\n', out);
}

static void print_number(enum option_id id, const void *section, FILE *out)
{
	const struct conf_option *row = schema_row(id);
	uint32_t value = fetch_number(id, section);
	bool is_mask = id == GATEWAY_MARK || id == GATEWAY_MARK_MASK;
	size_t n = 0;
	const char *word = "";
	if (row->type == CONF_TYPE_CHOICE)
		word = choice(row, value, &n);
	if (row->type == CONF_TYPE_NUMBER && row->choices != NULL && value == 0)
		fprintf(out, "\toption %s '%s'\n", row->name, row->choices);
	else if (row->type == CONF_TYPE_CHOICE)
		fprintf(out, "\toption %s '%.*s'\n", row->name, (int)n, word);
	else
		fprintf(out, is_mask ? "\toption %s '0x%x'\n" : "\toption %s '%u'\n", row->name,
			value);
}

static bool is_default(enum option_id id, const void *section)
{
	const struct conf_option *row = schema_row(id);
	uint64_t value = 0;
	if (row->standard == NULL || read_as_number(row, row->standard, &value) != NULL)
		return false;
	return fetch_number(id, section) == value;
}

static void print_key(const char *name, const struct conf_key *key, FILE *out)
{
	char hex[2 * CONF_KEY_MAX + 1];
	if (key->n == 0)
		return;
	hex_encode(key->bytes, key->n, hex);
	print_text("option", name, hex, out);
	explicit_bzero(hex, sizeof(hex));
}

static void print_addresses(const char *name, const struct conf_listen *listen, FILE *out)
{
	char text[ADDR_TEXT];
	for (size_t i = 0; i < listen->address_count; i++)
		print_text("list", name, addr_print(&listen->address[i], text), out);
}

void value_print(enum option_id id, const void *section, FILE *out)
{
	const struct conf_option *row = schema_row(id);
	const void *from = place_const(id, section);
	char text[ADDR_TEXT];
	const char *string;
	switch (row->type) {
	case CONF_TYPE_BOOL:
	case CONF_TYPE_NUMBER:
	case CONF_TYPE_CHOICE:
		if (!is_default(id, section))
			print_number(id, section, out);
		break;
	case CONF_TYPE_TEXT:
	case CONF_TYPE_PATH:
	case CONF_TYPE_URI:
		memcpy(&string, from, sizeof(string));
		if (row->size != 0 && string != NULL)
			print_text("option", row->name, string, out);
		break;
	case CONF_TYPE_KEY:
		print_key(row->name, from, out);
		break;
	case CONF_TYPE_ADDRESS:
		print_text("option", row->name, addr_print(from, text), out);
		break;
	case CONF_TYPE_TEXTS: {
		const struct conf_list *list = from;
		for (size_t i = 0; i < list->count; i++)
			print_text("list", row->name, list->item[i], out);
		break;
	}
	case CONF_TYPE_ADDRESSES:
		print_addresses(row->name, section, out);
		break;
	case CONF_TYPE_SERVER:
	case CONF_TYPE_LISTEN:
		break;
	}
}
