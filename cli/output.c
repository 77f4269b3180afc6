/* SPDX-License-Identifier: BSD-2-Clause */
/* What commands say: one line when they fail, one JSON document when asked. */
#include "cli.h"

#include "domain/device.h"

#include <stdarg.h>
#include <stdio.h>

int fail(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fputs("dmamap: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	va_end(args);
	return CLI_FAILED;
}

struct device *device_open(const char *spec)
{
	struct device *dev;

	signals_init();
	dev = dmamap_open(spec);
	signals_unblock();
	if (!dev)
		fail("%s", dmamap_strerror());
	return dev;
}

const char *device_policy(const struct device *dev)
{
	return dev->iommu ? dev->policy_name : "direct";
}

int json_finish(struct json_object *doc)
{
	const char *text = json_object_to_json_string_ext(
		doc, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
	bool written = text && puts(text) >= 0 && !fflush(stdout);

	json_object_put(doc);
	return written ? CLI_DONE : fail("the result could not be written to standard output");
}

struct json_object *json_number(double value, int digits)
{
	char text[64];

	snprintf(text, sizeof(text), "%.*f", digits, value);
	return json_object_new_double_s(value, text);
}

void json_put_text(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, value ? json_object_new_string(value) : NULL);
}

void json_put_u64(struct json_object *o, const char *key, u64 value)
{
	json_object_object_add(o, key, json_object_new_uint64(value));
}

void json_put_bool(struct json_object *o, const char *key, bool value)
{
	json_object_object_add(o, key, json_object_new_boolean(value));
}

void json_put_number(struct json_object *o, const char *key, double value, int digits)
{
	json_object_object_add(o, key, json_number(value, digits));
}
