/* SPDX-License-Identifier: BSD-2-Clause */
/* A report on its way from the thread that misused the API to the program: deliver.c. */
#ifndef CHECK_DELIVER_H
#define CHECK_DELIVER_H

#include "check/report.h"

#define DELIVER_SENTENCE 1024  /* of a sentence, with its end */
#define DELIVER_TEXT	 12288 /* of a sentence and its stacks */

struct delivery {
	struct about about;
	const void *caller;	 /* where the library was entered; NULL: not known */
	uintptr_t ip[STACK_MAX]; /* the stack of the report, from the innermost frame on */
	u32 n;
	bool count_only;

	/* what comes of it */
	bool suppressed, dropped;
	size_t sentence; /* its length */
	size_t length;
	char text[DELIVER_TEXT]; /* the sentence on entry; then with the stacks */
};

/*
 * Counts a report unless it is suppressed, adds it to the JSON file, and leaves its text. Works on
 * a thread of its own, since turning addresses into lines takes a stack that the calling thread may
 * not have; where none can be made, with the names that the dynamic linker knows.
 */
void deliver(struct delivery *d);

void deliver_fork_child(void); /* in a child of fork */

/* In report.c: a report of this kind was made. */
void report_count(enum dmamap_check_kind kind);

#endif
