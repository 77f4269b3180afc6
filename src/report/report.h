/* SPDX-License-Identifier: BSD-2-Clause */
/* The interface for making reports. */
#ifndef REPORT_REPORT_H
#define REPORT_REPORT_H

#include "report/misuse.h"
#include "report/stack.h"

#include <stdarg.h>

/* The subject of a report. `caller` as in check.h. */
struct report_about {
	const struct device *dev;
	enum dmamap_check_kind kind;
	dma_addr_t addr;
	u64 size;
	enum dma_data_direction dir;
	const void *caller;
	bool no_stack;		   /* not caused by a call of the program: a device was closed */
	bool by_hook;		   /* caused by a hook of the program's allocator */
	const char *what[2];	   /* headings of older stacks, such as "mapped" */
	const struct stack *at[2]; /* NULL: none */
};

/* Counts the misuse and reports it. The caller holds no lock. Preserves errno. */
void report_misuse(const struct report_about *a, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), cold));
void report_v(const struct report_about *a, const char *fmt, va_list ap) __attribute__((cold));

const char *report_dir(enum dma_data_direction dir); /* "TO_DEVICE" and so on */

hot_inline struct dmamap_report report_of(const struct report_about *a, const char *text)
{
	return (struct dmamap_report){.kind = a->kind,
				      .name = dmamap_check_name(a->kind),
				      .dev = a->dev,
				      .addr = a->addr,
				      .size = a->size,
				      .dir = a->dir,
				      .text = text};
}

/* Appends the report to a file as a line of JSON; `message_length`: the length of its first line.
 */
void json_report(int fd, const struct dmamap_report *r, size_t message_length);

#endif
