/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions that the programs for the virtual machine share: opening an edu device, and comparing
 * bytes.
 */
#ifndef TESTS_VM_RIG_H
#define TESTS_VM_RIG_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "drivers/edu.h"
#include "drivers/message.h"

#include <dmamap/device.h>
#include <stdio.h>

/* 0, or the status of a failed set-up, which has printed the reason. */
static inline int edu_open(const char *spec, struct device **dev, struct edu **edu)
{
	*dev = dmamap_open(spec);
	if (!*dev)
		return printf("# %s\n", dmamap_strerror());
	*edu = edu_probe(*dev);
	return *edu ? 0 : printf("# %s\n", driver_strerror());
}

static inline bool all_are(const u8 *p, size_t n, u8 value)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != value)
			return false;
	return true;
}

#endif
