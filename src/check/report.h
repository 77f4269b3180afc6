/* SPDX-License-Identifier: BSD-2-Clause */
/* How a report is made of what was found; see check.h for who finds. */
#ifndef CHECK_REPORT_H
#define CHECK_REPORT_H

#include "check/check.h"
#include "check/stack.h"

#include <stdarg.h>

/* What a report is about. `caller` as in check.h. */
struct about {
	const struct device *dev;
	enum dmamap_check_kind kind;
	dma_addr_t addr;
	u64 size;
	enum dma_data_direction dir;
	const void *caller;
	bool no_stack;		   /* nobody's call: the end of a device */
	bool by_hook;		   /* the allocator called, which the program called */
	const char *what[2];	   /* "mapped", "unmapped" … : older stacks */
	const struct stack *at[2]; /* NULL: none */
};

/* Counts it and tells the program. Nothing may be locked. Keeps errno. */
void report_misuse(const struct about *a, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), cold));
void report_v(const struct about *a, const char *fmt, va_list ap) __attribute__((cold));

const char *report_dir(enum dma_data_direction dir); /* "TO_DEVICE" … */

hot_inline struct dmamap_report report_of(const struct about *a, const char *text)
{
	return (struct dmamap_report){.kind = a->kind,
				      .name = dmamap_check_name(a->kind),
				      .dev = a->dev,
				      .addr = a->addr,
				      .size = a->size,
				      .dir = a->dir,
				      .text = text};
}

/* In json.c. */
void json_report(int fd, const struct dmamap_report *r, size_t sentence);

#endif
