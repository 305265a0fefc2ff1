/* What the machine's packet filter does to captured traffic: asked for by one file, judged by another. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/bug.h"

struct conf;
struct conf_listen;
struct json_object;

/* Room for one warning. */
#define LOOK_TEXT 512

/* Whom a warning is told: the section that it is about, and a sentence. */
typedef void look_warn(void *arg, const struct conf_listen *listen, const char *text);

/* Reads what `nft -j list ruleset` says. The caller puts it; NULL: it is no such text. */
struct json_object *look_read(const char *text, size_t n) MUST_CHECK;
/* Warns of input chains of others that drop what a listener captures, with the rule that mends it, and of
 * flows that are offloaded past the capture. Says nothing of listeners that do not intercept. Pure. */
void look_rules(struct json_object *rules, const struct conf *conf, look_warn *warn, void *arg);

/* The rules in force, as a child `nft` lists them, which look_read reads; bounded in bytes and time. Returns
 * 0 and memory that the caller frees, or -errno: -ENOENT without nft, -EPERM where it refused, -ETIME,
 * -EMSGSIZE. */
int look_ask(char **text, size_t *n) MUST_CHECK;
/* look_ask and look_rules, where a listener intercepts; what could not be looked at is a warning too. */
void look_machine(const struct conf *conf, look_warn *warn, void *arg);
