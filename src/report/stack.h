/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Call stacks. The unwinder captures them from the caller of a public function on. Each distinct
 * stack is stored once, until a device is opened while none is checked. Addresses become text only
 * for a report.
 */
#ifndef REPORT_STACK_H
#define REPORT_STACK_H

#include "base/compiler.h"
#include "report/options.h"

#define STACK_MAX     64
#define STACK_DEFAULT 12

struct stack {
	struct stack *next;
	u64 hash;
	u32 n;
	uintptr_t ip[]; /* return addresses, innermost first */
};

const struct stack *stack_walk(const void *caller);

/* Returns the stack from the frame that `caller` returns to; NULL: stacks=0, or no memory. */
hot_inline const struct stack *stack_take(const void *caller)
{
	return read_once(&check_options.stacks) ? stack_walk(caller) : NULL;
}

/* Returns a stack of one frame, to which `caller` returns. Does not unwind. */
const struct stack *stack_line(const void *caller);

/*
 * Stores all frames of the thread, including the library's, up to STACK_MAX. Returns their number;
 * 0 with stacks=0.
 */
u32 stack_capture(uintptr_t *ip);
void stack_reset(void);
void stack_forget_all(void); /* in a child of fork */

/*
 * Calls fn() with the text "function (file:line)", as far as it is known, for every function that
 * contains the call: first the innermost, then the functions into which it was inlined.
 */
void symbol_of(uintptr_t ip, void (*fn)(const char *words, void *arg), void *arg);
/* Whether the call is in the library itself. Without debug information this may be wrong. */
bool symbol_is_ours(uintptr_t ip);
/* Whether the name of the function that contains the call is known. */
bool symbol_has_name(uintptr_t ip);
/* Whether the call is in the C library, as the first frame of a thread is. */
bool symbol_is_thread_start(uintptr_t ip);
/* Whether the shell pattern matches the name of a function that contains the call. */
bool symbol_matches(uintptr_t ip, const char *pattern);
/* Restricts this thread to the names of the dynamic linker, which needs little stack. */
void symbol_only_names(bool on);

/* For the fork hook of deliver.c: acquire and release the locks of symbol.c. */
void symbol_fork_prepare(void);
void symbol_fork_done(void);

#endif
