/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A parser for the JSON of the version message (RFC 8259). It reads the text once, from left to
 * right, and recurses once for each level of nesting, of which there are at most DEPTH_MAX. Strings
 * are compared as they are written, so a key with an escape sequence is not found.
 */
#include "vfuser/version.h"
#include "base/error.h"

#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 8

/* The object whose keys are parsed. */
enum json_place { PLACE_TOP, PLACE_CAPABILITIES, PLACE_TWIN, PLACE_OTHER };

struct json_value {
	enum { JSON_OTHER, JSON_BOOL, JSON_COUNT } kind; /* JSON_COUNT: a whole number of 64 bits */
	u64 number;
};

struct json_text {
	const char *at, *end;
	struct vfuser_version *out;
	unsigned int depth;
};

static bool json_parse_value(struct json_text *t, enum json_place inside, struct json_value *v);

static void json_skip_space(struct json_text *t)
{
	while (t->at < t->end &&
	       (*t->at == ' ' || *t->at == '\t' || *t->at == '\n' || *t->at == '\r'))
		t->at++;
}

/* Skips white space and then the character `c`. False: the next character is a different one. */
static bool json_skip_char(struct json_text *t, char c)
{
	json_skip_space(t);
	if (t->at == t->end || *t->at != c)
		return false;
	t->at++;
	return true;
}

static bool json_skip_word(struct json_text *t, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(t->end - t->at) < n || memcmp(t->at, word, n) != 0)
		return false;
	t->at += n;
	return true;
}

/* Outputs the bytes between the quotation marks. */
static bool json_parse_string(struct json_text *t, const char **text, size_t *len)
{
	if (!json_skip_char(t, '"'))
		return false;
	*text = t->at;
	for (; t->at < t->end && *t->at != '"'; t->at++) {
		if ((unsigned char)*t->at < ' ')
			return false;
		if (*t->at == '\\' && ++t->at == t->end)
			return false;
	}
	*len = (size_t)(t->at - *text);
	return json_skip_char(t, '"');
}

/* Returns the number of digits. False in *fits: the number exceeds 64 bits. */
static size_t json_parse_digits(struct json_text *t, u64 *number, bool *fits)
{
	const char *begin = t->at;

	*number = 0;
	*fits = true;
	for (; t->at < t->end && *t->at >= '0' && *t->at <= '9'; t->at++)
		if (__builtin_mul_overflow(*number, 10, number) ||
		    __builtin_add_overflow(*number, (u64)(*t->at - '0'), number))
			*fits = false;
	return (size_t)(t->at - begin);
}

static bool json_parse_number(struct json_text *t, struct json_value *v)
{
	bool fits, whole = true, ignored;
	u64 skipped;

	if (json_skip_word(t, "-"))
		whole = false;
	if (!json_parse_digits(t, &v->number, &fits))
		return false;
	if (json_skip_word(t, ".")) {
		whole = false;
		if (!json_parse_digits(t, &skipped, &ignored))
			return false;
	}
	if (json_skip_word(t, "e") || json_skip_word(t, "E")) {
		whole = false;
		if (!json_skip_word(t, "+"))
			json_skip_word(t, "-");
		if (!json_parse_digits(t, &skipped, &ignored))
			return false;
	}
	if (whole && fits)
		v->kind = JSON_COUNT;
	return true;
}

static bool json_is(const char *text, size_t len, const char *word)
{
	return strlen(word) == len && !memcmp(text, word, len);
}

static enum json_place json_place_in(enum json_place place, const char *key, size_t len)
{
	if (place == PLACE_TOP && json_is(key, len, "capabilities"))
		return PLACE_CAPABILITIES;
	if (place == PLACE_CAPABILITIES && json_is(key, len, "twin_socket"))
		return PLACE_TWIN;
	return PLACE_OTHER;
}

static bool json_store_count(u64 *to, const struct json_value *v)
{
	if (v->kind == JSON_COUNT)
		*to = v->number;
	return v->kind == JSON_COUNT;
}

static bool json_store_bool(bool *to, const struct json_value *v)
{
	if (v->kind == JSON_BOOL)
		*to = v->number != 0;
	return v->kind == JSON_BOOL;
}

/* Stores a capability. False: its value has the wrong type. Unknown keys are ignored. */
static bool json_store(struct vfuser_version *out, enum json_place place, const char *key,
		       size_t len, const struct json_value *v)
{
	if (place == PLACE_TWIN) {
		if (json_is(key, len, "supported"))
			return json_store_bool(&out->twin_socket, v);
		if (!json_is(key, len, "fd_index"))
			return true;
		out->twin_has_fd = true;
		return json_store_count(&out->twin_fd, v);
	}
	if (place != PLACE_CAPABILITIES)
		return true;
	if (json_is(key, len, "max_msg_fds"))
		return json_store_count(&out->max_msg_fds, v);
	if (json_is(key, len, "max_data_xfer_size"))
		return json_store_count(&out->max_data_xfer_size, v) && v->number;
	if (json_is(key, len, "max_dma_maps"))
		return json_store_count(&out->max_dma_maps, v);
	if (json_is(key, len, "pgsizes"))
		return json_store_count(&out->pgsizes, v) && v->number;
	if (json_is(key, len, "write_multiple"))
		return json_store_bool(&out->write_multiple, v);
	return true;
}

/* Parses the rest of an object after its opening brace. */
static bool json_parse_object(struct json_text *t, enum json_place place)
{
	if (json_skip_char(t, '}'))
		return true;
	do {
		struct json_value v = {0};
		const char *key;
		size_t len;

		if (!json_parse_string(t, &key, &len) || !json_skip_char(t, ':') ||
		    !json_parse_value(t, json_place_in(place, key, len), &v) ||
		    !json_store(t->out, place, key, len, &v))
			return false;
	} while (json_skip_char(t, ','));
	return json_skip_char(t, '}');
}

static bool json_parse_array(struct json_text *t)
{
	if (json_skip_char(t, ']'))
		return true;
	do {
		struct json_value v = {0};

		if (!json_parse_value(t, PLACE_OTHER, &v))
			return false;
	} while (json_skip_char(t, ','));
	return json_skip_char(t, ']');
}

static bool json_parse_nested(struct json_text *t, enum json_place inside)
{
	bool ok;

	if (t->depth == DEPTH_MAX)
		return false;
	t->depth++;
	ok = json_skip_char(t, '{')   ? json_parse_object(t, inside)
	     : json_skip_char(t, '[') ? json_parse_array(t)
				      : false;
	t->depth--;
	return ok;
}

/* Parses a value. `inside`: the place of its keys if it is an object. */
static bool json_parse_value(struct json_text *t, enum json_place inside, struct json_value *v)
{
	const char *text;
	size_t len;

	json_skip_space(t);
	if (t->at == t->end)
		return false;
	if (*t->at == '"')
		return json_parse_string(t, &text, &len);
	if (*t->at == '{' || *t->at == '[')
		return json_parse_nested(t, inside);
	if (json_skip_word(t, "true") || json_skip_word(t, "false")) {
		*v = (struct json_value){.kind = JSON_BOOL, .number = t->at[-2] == 'u'};
		return true;
	}
	return json_skip_word(t, "null") || json_parse_number(t, v);
}

void vfuser_version_defaults(struct vfuser_version *v)
{
	*v = (struct vfuser_version){.major = VFUSER_MAJOR,
				     .minor = VFUSER_MINOR,
				     .max_msg_fds = VFUSER_FDS_DEFAULT,
				     .max_data_xfer_size = VFUSER_XFER_DEFAULT,
				     .max_dma_maps = VFUSER_MAPS_DEFAULT,
				     .pgsizes = PAGE_BYTES};
}

int vfuser_version_parse(const void *payload, u32 size, struct vfuser_version *out)
{
	struct vfuser_version v;
	struct vfuser_version_head head;
	const char *text = (const char *)payload + sizeof(head);
	struct json_text t = {.at = text, .out = &v};
	struct json_value top = {0};
	bool ok;

	if (size < sizeof(head) || size > VFUSER_VERSION_MAX)
		return error_set(EPROTO,
				 "vfio-user: a version message of %u bytes: it has %zu to %u bytes",
				 size, sizeof(head), VFUSER_VERSION_MAX);
	memcpy(&head, payload, sizeof(head));
	vfuser_version_defaults(&v);
	v.major = head.major;
	v.minor = head.minor;
	t.end = memchr(text, 0, size - sizeof(head));
	if (size > sizeof(head)) {
		ok = t.end && json_parse_value(&t, PLACE_TOP, &top);
		json_skip_space(&t);
		if (!ok || t.at != t.end)
			return error_set(EPROTO,
					 "vfio-user: the capabilities of the version message are "
					 "wrong at byte %zu: they are JSON text that ends with NUL",
					 (size_t)(t.at - text));
	}
	*out = v;
	return 0;
}

u32 vfuser_version_format(u8 payload[VFUSER_VERSION_MAX], const struct vfuser_version *v)
{
	struct vfuser_version_head head = {.major = v->major, .minor = v->minor};
	char fd[40] = "", twin[96] = "";
	int n;

	/* a reply has only capabilities that the request has, so those with the value false are
	 * omitted */
	if (v->twin_has_fd)
		snprintf(fd, sizeof(fd), ",\"fd_index\":%llu", (unsigned long long)v->twin_fd);
	if (v->twin_socket)
		snprintf(twin, sizeof(twin), ",\"twin_socket\":{\"supported\":true%s}", fd);
	memcpy(payload, &head, sizeof(head));
	n = snprintf((char *)payload + sizeof(head), VFUSER_VERSION_MAX - sizeof(head),
		     "{\"capabilities\":{\"max_msg_fds\":%llu,\"max_data_xfer_size\":%llu,"
		     "\"max_dma_maps\":%llu,\"pgsizes\":%llu%s%s}}",
		     (unsigned long long)v->max_msg_fds, (unsigned long long)v->max_data_xfer_size,
		     (unsigned long long)v->max_dma_maps, (unsigned long long)v->pgsizes,
		     v->write_multiple ? ",\"write_multiple\":true" : "", twin);
	return (u32)(sizeof(head) + (size_t)n + 1);
}
