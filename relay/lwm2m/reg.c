/* What a device's request means to the registration and bootstrap interfaces. */
#include "lwm2m/reg.h"

/* CoAP methods (RFC 7252 12.1.1); this room knows no more of the wire. */
enum { METHOD_GET = 1, METHOD_POST = 2, METHOD_DELETE = 4 };

/* The segments that count: one that is empty and last comes from a closing slash (RFC 7252 6.4),
 * which some clients send and servers overlook. */
static size_t path_length(const struct slice *segment, size_t segments)
{
	if (segments != 0 && segments <= REG_SEGMENTS && segment[segments - 1].n == 0)
		return segments - 1;
	return segments;
}

static enum reg_kind kind_below_rd(uint8_t code, size_t segments)
{
	if (code == METHOD_POST)
		return segments == 1 ? REG_REGISTER : REG_UPDATE;
	if (code == METHOD_DELETE && segments > 1)
		return REG_DEREGISTER;
	return REG_RD_OTHER;
}

static enum reg_kind kind_of(const struct reg_request *request)
{
	size_t segments = path_length(request->segment, request->segments);
	if (segments == 0)
		return REG_OTHER;
	if (slice_is(request->segment[0], "rd"))
		return kind_below_rd(request->code, segments);
	if (segments != 1)
		return REG_OTHER;
	if (request->code == METHOD_POST && slice_is(request->segment[0], "bs"))
		return REG_BOOTSTRAP;
	if (request->code == METHOD_GET && slice_is(request->segment[0], "bspack"))
		return REG_BSPACK;
	return REG_OTHER;
}

/* The value behind "key=", or false. */
static bool value_of(struct slice query, const char *key, struct slice *value)
{
	struct cursor c = cur_of(query.p, query.n);
	if (!slice_eq(cur_take(&c, strlen(key)), slice_str(key)) || cur_u8(&c) != '=')
		return false;
	*value = cur_take(&c, cur_left(&c));
	return true;
}

/* Digits only; what is larger than 32 bits is as good as UINT32_MAX, 136 years. */
static bool read_seconds(struct slice text, uint32_t *seconds)
{
	uint64_t sum = 0;
	struct cursor c = cur_of(text.p, text.n);
	while (cur_left(&c) != 0) {
		uint8_t digit = cur_u8(&c);
		if (digit < '0' || digit > '9')
			return false;
		sum = sum * 10 + (uint64_t)(digit - '0');
		if (sum > UINT32_MAX)
			sum = UINT32_MAX;
	}
	*seconds = (uint32_t)sum;
	return text.n != 0;
}

static void read_query(struct reg_info *info, struct slice query, bool *ep_seen)
{
	struct slice value;
	if (value_of(query, "ep", &value)) {
		if (!*ep_seen)
			info->ep = value;
		else if (!slice_eq(info->ep, value))
			info->ep_doubtful = true;
		*ep_seen = true;
	} else if (!info->has_lifetime && value_of(query, "lt", &value)) {
		uint32_t seconds;
		info->has_lifetime = read_seconds(value, &seconds);
		if (info->has_lifetime)
			info->lifetime_s = seconds;
	}
}

struct reg_info reg_read(const struct reg_request *request)
{
	struct reg_info info = { .kind = kind_of(request), .lifetime_s = REG_LIFETIME_DEFAULT };
	bool ep_seen = false;
	info.ep_doubtful = request->queries > REG_QUERIES;
	for (size_t i = 0; i < request->queries && i < REG_QUERIES; i++)
		read_query(&info, request->query[i], &ep_seen);
	info.has_ep = info.ep.n != 0;
	return info;
}

/* Visible ASCII without the separator. */
static bool is_plain(struct slice segment)
{
	for (size_t i = 0; i < segment.n; i++)
		if (segment.p[i] <= ' ' || segment.p[i] > '~' || segment.p[i] == '/')
			return false;
	return true;
}

bool reg_path(const struct slice *segment, size_t segments, char *text, size_t size)
{
	if (segments > REG_SEGMENTS)
		return false;
	segments = path_length(segment, segments);
	struct writer w = put_into(text, size);
	if (segments == 0)
		put_u8(&w, '/');
	for (size_t i = 0; i < segments; i++) {
		if (!is_plain(segment[i]))
			return false;
		put_u8(&w, '/');
		put_bytes(&w, segment[i].p, segment[i].n);
	}
	put_u8(&w, '\0');
	return !w.broken;
}
