/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Call stacks. Captured by the unwinder from the caller of the library's function on, each distinct
 * one stored once until the last checked device is closed; turned into words only for a report.
 */
#ifndef CHECK_STACK_H
#define CHECK_STACK_H

#include "base/compiler.h"
#include "check/options.h"

#define STACK_MAX     64
#define STACK_DEFAULT 12

struct stack {
	struct stack *next;
	u64 hash;
	u32 n;
	uintptr_t ip[]; /* return addresses, innermost first */
};

const struct stack *stack_walk(const void *caller);

/*
 * The stack from the frame on that `caller` returns to; NULL: none wanted (stacks=0), or no memory.
 */
hot_inline const struct stack *stack_take(const void *caller)
{
	return read_once(&check_options.stacks) ? stack_walk(caller) : NULL;
}

/* Only the place that `caller` returns to: no frame is looked at. */
const struct stack *stack_line(const void *caller);

/* All frames of the thread, the library's own too; ip has STACK_MAX. How many; 0 with stacks=0. */
u32 stack_capture(uintptr_t *ip);
void stack_reset(void);
void stack_forget_all(void); /* in a child of fork */

/*
 * fn() with the words of each function that the place is in, "function (file:line)", else what is
 * known: first the innermost, then those that it was inlined into.
 */
void symbol_of(uintptr_t ip, void (*fn)(const char *words, void *arg), void *arg);
/* The call is in the library itself, as far as can be told. */
bool symbol_is_ours(uintptr_t ip);
/* The function that the call is in has a name. */
bool symbol_has_name(uintptr_t ip);
/* The call is in the C library, where it begins a thread. */
bool symbol_is_thread_start(uintptr_t ip);
/* One of the functions that the place is in has a name that the shell pattern matches. */
bool symbol_matches(uintptr_t ip, const char *pattern);
/* This thread has little stack: only what the dynamic linker knows from now on. */
void symbol_only_names(bool on);

#endif
