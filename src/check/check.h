/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reports of misuse. check_report() always leaves the sentence for dmamap_strerror() and errno
 * EINVAL; where the device's checker is on it also counts and tells the program.
 */
#ifndef CHECK_CHECK_H
#define CHECK_CHECK_H

#include "base/compiler.h"
#include <dmamap/check.h>

/* `on`: the device was opened with check=1 or DMAMAP_CHECK is set. Returns -EINVAL. */
int check_report(const struct device *dev, bool on, enum dmamap_check_kind kind, dma_addr_t addr,
		 size_t size, enum dma_data_direction dir, const char *fmt, ...)
	__attribute__((format(printf, 7, 8), cold));

/* DMAMAP_CHECK asks for checking: 1, abort (or nothing: 0). */
bool check_wanted(void);

#endif
