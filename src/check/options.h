/* SPDX-License-Identifier: BSD-2-Clause */
/* What DMAMAP_CHECK and DMAMAP_FAIL in the environment say: include/dmamap/check.h has the words.
 */
#ifndef CHECK_OPTIONS_H
#define CHECK_OPTIONS_H

#include "base/compiler.h"

struct suppression {
	char kind[32], function[96], device[64]; /* shell patterns */
};

struct suppressions {
	struct suppressions *older; /* not in force any more; see options.c */
	u64 n;
	struct suppression list[];
};

struct check_options {
	bool on, own, abort;
	u32 stacks, exitcode, first;   /* stacks: atomic */
	struct suppressions *suppress; /* NULL: none */
	int json;		       /* a descriptor, or -1 */
};

/* Replaced as a whole while no report is made: when a device is opened under a new DMAMAP_CHECK. */
extern struct check_options check_options __attribute__((visibility("hidden")));

#endif
