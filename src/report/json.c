/* SPDX-License-Identifier: BSD-2-Clause */
/* A report as a line of JSON. It is written by one call, so lines of several threads do not mix. */
#include "report/report.h"
#include "base/utf8.h"
#include "base/alloc.h"

#include <dmamap/device.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_LONGEST 16384

struct json_line {
	size_t n;
	char text[LINE_LONGEST];
};

static void json_add_raw(struct json_line *l, const char *s, size_t n)
{
	if (n > sizeof(l->text) - l->n)
		n = sizeof(l->text) - l->n;
	memcpy(l->text + l->n, s, n);
	l->n += n;
}

/*
 * Leaves space for the end of the line. A byte that is not valid UTF-8, which a name may contain,
 * is replaced, because JSON must be valid UTF-8.
 */
static void json_add_string(struct json_line *l, const char *s, size_t n)
{
	size_t len;

	json_add_raw(l, "\"", 1);
	for (size_t i = 0; i < n && l->n < sizeof(l->text) - 64; i += len) {
		unsigned char c = (unsigned char)s[i];
		char code[8];

		len = utf8_length(s + i, n - i);
		if (!len) {
			json_add_raw(l, UTF8_REPLACEMENT, strlen(UTF8_REPLACEMENT));
			len = 1;
			continue;
		}
		if (c == '"' || c == '\\')
			snprintf(code, sizeof(code), "\\%c", c);
		else if (c < ' ')
			snprintf(code, sizeof(code), "\\u%04x", c);
		else
			snprintf(code, sizeof(code), "%.*s", (int)len, s + i);
		json_add_raw(l, code, strlen(code));
	}
	json_add_raw(l, "\"", 1);
}

static void json_add_text(struct json_line *l, const char *key, const char *value)
{
	json_add_raw(l, key, strlen(key));
	json_add_string(l, value, strlen(value));
}

/*
 * The lines after the first are headings, which begin with two blanks, and calls, which begin with
 * four.
 */
static void json_add_stacks(struct json_line *l, const char *s)
{
	bool in_stack = false, first = true;

	json_add_raw(l, ",\"stacks\":[", 11);
	for (; *s && l->n < sizeof(l->text) - 64; s += strcspn(s, "\n")) {
		size_t blanks;

		s += *s == '\n';
		blanks = strspn(s, " ");
		if (blanks < 4) {
			json_add_raw(l, in_stack ? "]},{" : "{", in_stack ? 4 : 1);
			json_add_raw(l, "\"what\":", 7);
			json_add_string(l, s + blanks, strcspn(s + blanks, ":\n"));
			json_add_raw(l, ",\"calls\":[", 10);
			in_stack = first = true;
			continue;
		}
		if (!first)
			json_add_raw(l, ",", 1);
		json_add_string(l, s + blanks, strcspn(s + blanks, "\n"));
		first = false;
	}
	json_add_raw(l, in_stack ? "]}]" : "]", in_stack ? 3 : 1);
}

void json_report(int fd, const struct dmamap_report *r, size_t message_length)
{
	struct json_line *l = alloc_zeroed(sizeof(*l));
	char number[96];
	ssize_t done;

	if (!l)
		return; /* the program still receives the report */
	json_add_text(l, "{\"kind\":", r->name);
	json_add_text(l, ",\"device\":", dev_name(r->dev));
	snprintf(number, sizeof(number), ",\"address\":%llu,\"size\":%llu",
		 (unsigned long long)r->addr, (unsigned long long)r->size);
	json_add_raw(l, number, strlen(number));
	json_add_text(l, ",\"direction\":", report_dir(r->dir));
	json_add_raw(l, ",\"text\":", 8);
	json_add_string(l, r->text, message_length);
	json_add_stacks(l, r->text + message_length);
	json_add_raw(l, "}\n", 2);
	done = write(fd, l->text, l->n);
	(void)done; /* a full disk must not stop the driver */
	alloc_free(l);
}
