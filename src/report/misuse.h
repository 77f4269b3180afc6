/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reports of misuse for all layers above: calls that the library refuses, and the stacks and the
 * environment that reports use. `caller` as in check/check.h.
 */
#ifndef REPORT_MISUSE_H
#define REPORT_MISUSE_H

#include "base/compiler.h"
#include <dmamap/check.h>

struct stack;

/*
 * Reads DMAMAP_CHECK and DMAMAP_FAIL. *on: every device is checked; *own: the owner check is on as
 * well. Returns 0, or -EINVAL with an error message.
 */
int check_environment(bool *on, bool *own);

/* Must be called first in a public function: a misuse from here on is attributed to its caller. */
void check_enter(const void *caller);

/*
 * Reports a call that the library itself refuses, if `on` (the device's checker is on), and sets
 * the error message and errno EINVAL. Nothing is reported if a function below reported the same
 * misuse in this call already. Returns -EINVAL.
 */
int check_report(const struct device *dev, bool on, enum dmamap_check_kind kind, dma_addr_t addr,
		 size_t size, enum dma_data_direction dir, const char *fmt, ...)
	__attribute__((format(printf, 7, 8), cold));

/* Earlier calls that a report includes. */
struct check_history {
	const char *what[2];	   /* headings, such as "allocated"; NULL: unused */
	const struct stack *at[2]; /* NULL: not known */
};
int check_report_history(const struct device *dev, bool on, enum dmamap_check_kind kind,
			 dma_addr_t addr, size_t size, enum dma_data_direction dir,
			 const struct check_history *history, const char *fmt, ...)
	__attribute__((format(printf, 8, 9), cold));

#endif
