/* SPDX-License-Identifier: BSD-2-Clause */
/* Output of commands: an error message in one line, and one JSON document on request. */
#include "cli.h"

#include "base/utf8.h"
#include "domain/device.h"

#include <dmamap/bus.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-mapping.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool output_failed; /* and an error message was printed */

int cli_fail(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fputs("dmamap: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	va_end(args);
	return CLI_FAILED;
}

bool error_keep(char *error, size_t size, const char *fmt, ...)
{
	va_list args;

	if (error[0])
		return false;
	va_start(args, fmt);
	vsnprintf(error, size, fmt, args);
	va_end(args);
	return false;
}

struct device *device_open(const char *spec)
{
	struct device *dev;

	signals_init();
	dev = dmamap_open(spec);
	signals_unblock();
	if (!dev)
		cli_fail("%s", dmamap_strerror());
	return dev;
}

/* Finds the first recorded access beyond the device's address lines. */
static bool output_find_unreachable(struct device *dev, struct dmamap_fault *f)
{
	while (dmamap_bus_fault_next(dev, f) == 1)
		if (f->reason == DMAMAP_FAULT_ADDRESS &&
		    (f->addr > dev->address_last || f->len - 1 > dev->address_last - f->addr))
			return true;
	return false;
}

void device_explain(struct device *dev, bool has_option, char *out, size_t size)
{
	unsigned int lines, bits = 64 - (unsigned int)__builtin_clzll(dma_get_mask(dev) | 1);
	struct dmamap_fault f;
	char remedy[64];

	*out = 0;
	if (!dev->address_last || !output_find_unreachable(dev, &f))
		return;
	lines = 64 - (unsigned int)__builtin_clzll(dev->address_last);
	if (has_option)
		snprintf(remedy, sizeof(remedy), "give --mask %u", lines);
	else
		snprintf(remedy, sizeof(remedy), "open it with addr-bits=%u or more", bits);
	if (lines < bits)
		snprintf(out, size,
			 ": the device cannot reach address 0x%llx: it has %u address lines, and "
			 "the driver's mask has %u bits; %s",
			 (unsigned long long)f.addr, lines, bits, remedy);
}

const char *device_policy(const struct device *dev)
{
	return dev->iommu ? dev->policy_name : "direct";
}

static int output_fail(int err)
{
	if (!output_failed)
		cli_fail("cannot write to standard output: %s",
			 err ? strerror(err) : "an earlier part could not be written");
	output_failed = true;
	return CLI_FAILED;
}

/*
 * The end of the output may still be in a buffer when the program ends. A full disk or a closed
 * pipe is detected here, and changes the exit status, whatever the command returned.
 */
static void output_end(void)
{
	bool pending = __fpending(stdout) > 0, failed = ferror(stdout) || output_failed;
	int err = 0;

	if (fclose(stdout) && (pending || errno != EBADF)) {
		err = errno;
		failed = true;
	}
	if (failed)
		output_fail(err);
	if (failed || ferror(stderr)) /* error messages and reports go there */
		_exit(CLI_FAILED);
}

void output_init(void)
{
	/*
	 * If a standard descriptor is closed, the next file that is opened receives its number.
	 * That could be the image of a disk, and output would overwrite it. So closed descriptors
	 * are occupied with one whose use fails.
	 */
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
		    open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
			exit(CLI_FAILED);
	signal(SIGPIPE, SIG_IGN);
	atexit(output_end);
}

bool output_lost(void)
{
	return ferror(stdout);
}

int json_finish(struct json_object *doc)
{
	const char *text = json_object_to_json_string_ext(
		doc, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
	bool written;

	errno = ENOMEM;
	written = text && puts(text) >= 0 && !fflush(stdout);
	if (!written)
		output_fail(errno);
	json_object_put(doc);
	return written ? CLI_DONE : CLI_FAILED;
}

/* JSON has no infinities and no NaN, so such a value becomes null. */
struct json_object *json_number(double value, int digits)
{
	char text[512];

	if (!isfinite(value))
		return NULL;
	snprintf(text, sizeof(text), "%.*f", digits, value);
	return json_object_new_double_s(value, text);
}

/* Replaces bytes that are not UTF-8: names of files and devices may contain any bytes. */
static struct json_object *json_text(const char *value)
{
	size_t n = strlen(value), k = 0, len;
	char *text = malloc(3 * n + 1);
	struct json_object *o;

	if (!text)
		return NULL;
	for (size_t i = 0; i < n; i += len ? len : 1) {
		len = utf8_length(value + i, n - i);
		memcpy(text + k, len ? value + i : UTF8_REPLACEMENT, len ? len : 3);
		k += len ? len : 3;
	}
	o = json_object_new_string_len(text, (int)k);
	free(text);
	return o;
}

void json_put_text(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, value ? json_text(value) : NULL);
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
