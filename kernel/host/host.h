/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions of the host process that the runtime uses. Only this file is included by both sides:
 * the runtime is compiled with the kernel's headers, host.c with the C library's. Times are
 * nanoseconds of CLOCK_MONOTONIC.
 */
#ifndef KMOD_HOST_H
#define KMOD_HOST_H

#include <stdbool.h>
#include <stddef.h>

/* A mutex and a condition variable. Both may be initialised to zero and need not be destroyed. */
struct host_mutex {
	unsigned long opaque[5];
};
struct host_cond {
	unsigned long opaque[6];
};
void host_lock(void *mutex);
bool host_trylock(void *mutex);
void host_unlock(void *mutex);
void host_wait(void *cond, void *mutex);
/* Returns false if `deadline` has passed. */
bool host_wait_until(void *cond, void *mutex, unsigned long deadline);
void host_broadcast(void *cond);

unsigned long host_now(void);
unsigned long host_wall(void);
void host_sleep(unsigned long ns);
void host_yield(void);

/* Starts a thread, which the watchdog includes in its report. Returns 0 if that fails. */
unsigned long host_thread_start(void (*fn)(void *arg), void *arg, const char *name);
void host_thread_join(unsigned long thread);

void *host_calloc(size_t n, size_t size);
void host_free(void *p);

/* Stores the return addresses of this thread, found by its frame pointers. */
unsigned int host_backtrace(unsigned long *pc, unsigned int max);
/* host_backtrace() from a given frame pointer. */
unsigned int host_backtrace_from(unsigned long frame, unsigned long *pc, unsigned int max);
void host_thread_adopt(const char *name);
/* Calls `fn` with the stack of every thread except the caller. */
void host_all_stacks(void (*fn)(const char *name, const unsigned long *pc, unsigned int n));
/* Calls `fn` on a fatal signal, with the address and the interrupted stack. */
void host_on_fatal(void (*fn)(int signal, unsigned long addr, const unsigned long *pc,
			      unsigned int n));
bool host_stopped(void); /* whether SIGINT or SIGTERM was received */
void host_signals(void);

void host_write(int fd, const void *buf, size_t n);
void host_exit(int status) __attribute__((noreturn));
void host_random(void *buf, size_t n);
char *host_getenv(const char *name);
/* Returns how many of the n bytes from `p` on are readable before the first unmapped one. */
size_t host_readable(const void *p, size_t n);

/*
 * Waits for an eventfd and resets its count. Returns 0 after `timeout_ms`, -1 if it cannot be read.
 */
int host_event_wait(int fd, int timeout_ms, unsigned long *count);
/* Creates a pair of sockets that preserve message boundaries. */
int host_socketpair(int fd[2]);
long host_send(int fd, const void *buf, size_t n);
long host_recv(int fd, void *buf, size_t n, int timeout_ms);
/* Returns the content of a file, to be freed by host_free(), or NULL if it cannot be read. */
void *host_read_file(const char *path, size_t *size);

/* An open device of dmamap, which is opaque to the runtime. */
struct dmamap_device;

#endif
