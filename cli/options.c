/* SPDX-License-Identifier: BSD-2-Clause */
/* Options that commands share, and parsing of sizes and numbers. */
#include "cli.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

error_t common_option(int key, char *arg, struct argp_state *state)
{
	struct cli_common *c = state->input;

	switch (key) {
	case 'd':
		c->device = arg;
		return 0;
	case 'j':
		c->json = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp_option common_options[] = {
	{"device", 'd', "SPEC", 0, "The device, such as sim:nvme,image=disk.img; see dmamap(7)",
	 10},
	{"json", 'j', NULL, 0, "One JSON document on standard output", 10},
	{0},
};

const struct argp common_argp = {common_options, common_option, NULL, NULL, NULL, NULL, NULL};

bool size_parse(const char *text, u64 *out)
{
	static const char units[] = "KMGT";
	const char *unit;
	u64 value = 0;

	if (!isdigit((unsigned char)*text))
		return false;
	for (; isdigit((unsigned char)*text); text++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (u64)(*text - '0'), &value))
			return false;
	}
	if (*text) {
		unit = strchr(units, toupper((unsigned char)*text));
		if (!unit || text[1])
			return false;
		if (__builtin_mul_overflow(value, 1ull << 10 * (unit - units + 1), &value))
			return false;
	}
	*out = value;
	return true;
}

u64 size_option(struct argp_state *state, const char *option, const char *text)
{
	u64 value = 0;

	if (!size_parse(text, &value))
		argp_error(state, "%s %s: not a size; sizes are written 4096, 64K, 2M, 1G", option,
			   text);
	return value;
}

unsigned int number_option(struct argp_state *state, const char *option, const char *text,
			   unsigned int least, unsigned int most)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (!isdigit((unsigned char)*text) || *end || errno || value < least || value > most)
		argp_error(state, "%s %s: not a number from %u to %u", option, text, least, most);
	return (unsigned int)value;
}

double seconds_option(struct argp_state *state, const char *option, const char *text)
{
	double value;
	char *end;

	value = strtod(text, &end);
	if (!isdigit((unsigned char)*text) || *end || !(value > 0) || value > 86400)
		argp_error(state, "%s %s: not a time in seconds, above 0 and at most a day", option,
			   text);
	return value;
}

/* Returns the end of a value; in a value ",," stands for a comma. */
static const char *option_value_end(const char *p)
{
	while (*p && (*p != ',' || p[1] == ','))
		p += *p == ',' ? 2 : 1;
	return p;
}

bool spec_value(const char *spec, const char *key, char *out, size_t size)
{
	size_t key_len = strlen(key), n = 0;
	const char *p = option_value_end(spec), *end;

	for (; *p; p = end) {
		end = option_value_end(++p);
		if (strncmp(p, key, key_len) || p[key_len] != '=')
			continue;
		for (p += key_len + 1; p < end; p++) {
			if (n + 1 >= size)
				return false;
			out[n++] = *p;
			p += *p == ',';
		}
		out[n] = '\0';
		return true;
	}
	return false;
}

bool spec_target_is(const char *spec, const char *name)
{
	const char *target = strchr(spec, ':');
	size_t len = strlen(name);

	return target && !strncmp(target + 1, name, len) &&
	       (!target[len + 1] || target[len + 1] == ',');
}
