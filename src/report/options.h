/* SPDX-License-Identifier: BSD-2-Clause */
/* The options of DMAMAP_CHECK; include/dmamap/check.h documents them. */
#ifndef REPORT_OPTIONS_H
#define REPORT_OPTIONS_H

#include "base/compiler.h"

struct check_suppression {
	char kind[32], function[96], device[64]; /* shell patterns */
};

struct check_suppressions {
	struct check_suppressions *older; /* lists that are no longer in force; see options.c */
	u64 n;
	struct check_suppression list[];
};

struct check_options {
	bool on, own, abort;
	u32 stacks, exitcode, first;	     /* stacks: atomic */
	struct check_suppressions *suppress; /* NULL: none */
	int json;			     /* a file descriptor; -1: none */
};

/* Replaced as a whole when a device is opened and DMAMAP_CHECK has changed. */
extern struct check_options check_options __attribute__((visibility("hidden")));

#endif
