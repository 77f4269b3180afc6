/* SPDX-License-Identifier: BSD-2-Clause */
/* The processing of a report: deliver.c. */
#ifndef REPORT_DELIVER_H
#define REPORT_DELIVER_H

#include "report/report.h"

#define DELIVER_MESSAGE 1024  /* bytes of a message, with the terminator */
#define DELIVER_TEXT	12288 /* bytes of a message and its stacks */

struct deliver_job {
	struct report_about about;
	const void *caller;	 /* as in check.h; NULL: not known */
	uintptr_t ip[STACK_MAX]; /* the stack of the misuse, innermost frame first */
	u32 n;
	bool count_only;

	/* the result */
	bool suppressed, dropped;
	size_t message_length; /* the length of the message */
	size_t length;
	char text[DELIVER_TEXT]; /* the message; deliver_misuse() appends the stacks */
};

/*
 * Counts a report unless it is suppressed, appends it to the JSON file, and completes its text.
 * Runs on a thread of its own, because the calling thread may have too little stack for debug
 * information. If no thread can be created, the stacks have only the dynamic linker's names.
 */
void deliver_misuse(struct deliver_job *d);

/* In report.c: counts a report of this kind. */
void report_count(enum dmamap_check_kind kind);

#endif
