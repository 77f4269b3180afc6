/* SPDX-License-Identifier: BSD-2-Clause */
/* Accesses to memory that left the process, and the program's own handlers beside the library's. */
#include "core_rig.h"

#include "base/trap.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static u8 *pages; /* three pages: the first and the last are mapped, the one between them is not */
static sigjmp_buf back;
static volatile int program_faults; /* that the program's own handler was called for */

static int setup(void **state)
{
	pages = mmap(NULL, 3 * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		     0);
	if (pages == MAP_FAILED || munmap(pages + PAGE_BYTES, PAGE_BYTES))
		return -1;
	program_faults = 0;
	return trap_get();
}

/* The test's own handlers were installed after setup(), as any program's may be. */
static void begin(void **state)
{
	trap_begin_use();
}

static int teardown(void **state)
{
	trap_put();
	rig_fail_none();
	munmap(pages, 3 * PAGE_BYTES);
	return 0;
}

static void test_words(void **state)
{
	u64 v64 = 0;
	u32 v32 = 0;
	u16 v16 = 0;
	u8 v8 = 0;

	assert_true(trap_store_64(pages + 8, 0x1122334455667788));
	assert_true(trap_load_64(pages + 8, &v64));
	assert_int_equal(v64, 0x1122334455667788);
	assert_true(trap_store_32(pages + 8, 0x99aabbcc));
	assert_true(trap_store_16(pages + 12, 0xddee));
	assert_true(trap_store_8(pages + 14, 0x77));
	assert_true(trap_load_32(pages + 8, &v32) && v32 == 0x99aabbcc);
	assert_true(trap_load_16(pages + 12, &v16) && v16 == 0xddee);
	assert_true(trap_load_8(pages + 14, &v8) && v8 == 0x77);
	assert_true(trap_load_64(pages + 8, &v64));
	assert_int_equal(v64, 0x1177ddee99aabbcc);
}

static void test_words_that_are_gone(void **state)
{
	u8 *gone = pages + PAGE_BYTES;
	u64 v64 = 1;
	u32 v32 = 2;
	u16 v16 = 3;
	u8 v8 = 4;

	begin(state);
	for (int round = 0; round < 3; round++) {
		assert_false(trap_load_64(gone, &v64) || trap_load_32(gone + 4, &v32) ||
			     trap_load_16(gone + 8, &v16) || trap_load_8(gone + 4095, &v8));
		assert_false(trap_store_64(gone, 1) || trap_store_32(gone + 4, 1) ||
			     trap_store_16(gone + 8, 1) || trap_store_8(gone + 4095, 1));
	}
	assert_true(v64 == 1 && v32 == 2 && v16 == 3 && v8 == 4);
	/* NULL, and an address that the processor refuses */
	assert_false(trap_load_8(NULL, &v8));
	assert_false(trap_load_8((void *)(1ull << 62), &v8));
	/* a load may access read-only memory */
	assert_int_equal(mprotect(pages, PAGE_BYTES, PROT_READ), 0);
	assert_true(trap_load_64(pages, &v64));
	assert_false(trap_store_64(pages, 1));
}

static void test_copies_of_every_size(void **state)
{
	static u8 from[1200], to[1200];

	for (size_t i = 0; i < sizeof(from); i++)
		from[i] = (u8)(i * 7 + 1);
	for (size_t n = 0; n <= 1100; n++) {
		size_t a = n % 17, b = n % 13;

		memset(to, 0, sizeof(to));
		assert_null(trap_copy(to + 20 + b, from + a, n));
		assert_memory_equal(to + 20 + b, from + a, n);
		assert_true(rig_all(to, 20 + b, 0));
		assert_true(rig_all(to + 20 + b + n, sizeof(to) - 20 - b - n, 0));
	}
}

/* Reports the position. The bytes before it are copied or not, but nothing else is changed. */
static void test_copies_that_meet_a_hole(void **state)
{
	u8 *hole = pages + PAGE_BYTES, buf[1200], *fault;

	begin(state);
	memset(pages, 0x5a, PAGE_BYTES);
	for (size_t n = 1; n <= 1100; n++)
		for (size_t before = 0; before < n; before = before * 2 + 1) {
			memset(buf, 0, sizeof(buf));
			fault = (u8 *)(uintptr_t)trap_copy(buf, hole - before, n);
			assert_true(fault >= hole && fault < hole + (n - before));
			assert_true(rig_all(buf + before, sizeof(buf) - before, 0));
			fault = (u8 *)(uintptr_t)trap_copy(hole - before, buf, n);
			assert_true(fault >= hole && fault < hole + (n - before));
		}
	assert_ptr_equal(trap_copy(buf, (void *)(1ull << 62), 8), (void *)1);
}

static void test_probes(void **state)
{
	begin(state);
	memset(pages, 0x5a, PAGE_BYTES);
	assert_true(trap_probe(pages, PAGE_BYTES, true));
	assert_true(trap_probe(pages + 4095, 1, false));
	assert_false(trap_probe(pages + 4095, 2, false));
	assert_false(trap_probe(pages + 4095, 2, true));
	assert_false(trap_probe(pages + 1, 2 * PAGE_BYTES, false));
	assert_true(trap_probe(pages + 2 * PAGE_BYTES, PAGE_BYTES, true));
	assert_true(rig_all(pages, PAGE_BYTES, 0x5a));
	assert_int_equal(mprotect(pages, PAGE_BYTES, PROT_READ), 0);
	assert_true(trap_probe(pages, PAGE_BYTES, false));
	assert_false(trap_probe(pages, PAGE_BYTES, true));
	assert_true(trap_probe(pages + 4096, 0, true));
}

static void test_a_file_that_is_cut_short(void **state)
{
	int fd = memfd_create("test", 0);
	u64 v;
	u8 *p;

	begin(state);
	assert_int_equal(ftruncate(fd, 8192), 0);
	p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_true(trap_store_64(p + 4096, 5));
	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_false(trap_store_64(p + 4096, 5));
	assert_false(trap_load_64(p + 4096, &v));
	assert_true(trap_load_64(p, &v));
	munmap(p, 8192);
	close(fd);
}

static void *block_and_load(void *arg)
{
	sigset_t all;
	u8 byte;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	trap_thread();
	return trap_load_8(pages + PAGE_BYTES, &byte) ? NULL : pages;
}

static void test_a_thread_that_blocks_signals(void **state)
{
	pthread_t t;
	void *ok;

	begin(state);
	assert_int_equal(pthread_create(&t, NULL, block_and_load, NULL), 0);
	pthread_join(t, &ok);
	assert_ptr_equal(ok, pages);
}

/* ---- the program's own handlers ---- */

static void jump_back(int sig, siginfo_t *info, void *context)
{
	program_faults++;
	siglongjmp(back, sig);
}

static void jump_back_simply(int sig)
{
	program_faults++;
	siglongjmp(back, sig);
}

/* A plain access to the hole: true if the program's handler was called and returned. */
static bool program_faults_at(u8 *p)
{
	if (sigsetjmp(back, 1))
		return true;
	(void)*(volatile u8 *)p;
	return false;
}

static void program_handler(int sig, void (*simple)(int), int flags, struct sigaction *old)
{
	struct sigaction act = {.sa_flags = flags};

	if (simple)
		act.sa_handler = simple;
	else
		act.sa_sigaction = jump_back;
	sigaction(sig, &act, old);
}

static void test_a_handler_that_was_there(void **state)
{
	struct sigaction old, now;
	u8 byte;

	trap_put();
	program_handler(SIGSEGV, NULL, SA_SIGINFO, &old);
	assert_int_equal(trap_get(), 0);
	for (int i = 1; i <= 3; i++) {
		assert_false(trap_load_8(pages + PAGE_BYTES, &byte));
		assert_true(program_faults_at(pages + PAGE_BYTES));
		assert_int_equal(program_faults, i);
	}
	/* a signal that is sent was not raised by an instruction of ours */
	if (!sigsetjmp(back, 1))
		raise(SIGSEGV);
	assert_int_equal(program_faults, 4);
	/* and it is mapped again afterwards */
	trap_put();
	sigaction(SIGSEGV, NULL, &now);
	assert_ptr_equal(now.sa_sigaction, jump_back);
	assert_true(program_faults_at(pages + PAGE_BYTES));
	sigaction(SIGSEGV, &old, NULL);
	assert_int_equal(trap_get(), 0);
}

/* Whether a child ends by itself. */
static bool child_survives(void (*fn)(void))
{
	int status;
	pid_t p = fork();

	if (!p) {
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(p, &status, 0), p);
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

static void fault_plainly(void)
{
	program_faults_at(pages + PAGE_BYTES);
}

static void fault_with_ours(void)
{
	u8 byte;

	if (trap_load_8(pages + PAGE_BYTES, &byte))
		_exit(1);
}

static void test_a_simple_handler_for_one_time(void **state)
{
	struct sigaction old;

	trap_put();
	program_handler(SIGSEGV, jump_back_simply, (int)SA_RESETHAND, &old);
	assert_int_equal(trap_get(), 0);
	assert_true(program_faults_at(pages + PAGE_BYTES));
	assert_int_equal(program_faults, 1);
	assert_true(child_survives(fault_with_ours));
	assert_false(child_survives(fault_plainly)); /* the default: the process ends */
	trap_put();
	sigaction(SIGSEGV, &old, NULL);
	assert_int_equal(trap_get(), 0);
}

static void test_the_default(void **state)
{
	struct sigaction none = {.sa_handler = SIG_DFL}, old;

	trap_put();
	sigaction(SIGSEGV, &none, &old);
	assert_int_equal(trap_get(), 0);
	assert_true(child_survives(fault_with_ours));
	assert_false(child_survives(fault_plainly));
	trap_put();
	sigaction(SIGSEGV, &old, NULL);
	assert_int_equal(trap_get(), 0);
}

static struct sigaction ours;

static void pass_to_ours(int sig, siginfo_t *info, void *context)
{
	program_faults += 100;
	ours.sa_sigaction(sig, info, context);
}

/*
 * A handler that was installed later and passes signals on; then ours is installed again, and
 * passes signals to it.
 */
static void test_a_handler_that_passes_on(void **state)
{
	struct sigaction act = {.sa_sigaction = pass_to_ours, .sa_flags = SA_SIGINFO}, old;

	trap_put();
	program_handler(SIGSEGV, NULL, SA_SIGINFO, &old);
	assert_int_equal(trap_get(), 0);
	sigaction(SIGSEGV, &act, &ours);
	for (int on_top = 0; on_top < 2; on_top++) {
		for (int i = 1; i <= 3; i++) {
			program_faults = 0;
			fault_with_ours();
			assert_int_equal(program_faults, on_top ? 0 : 100);
			assert_true(program_faults_at(pages + PAGE_BYTES));
			assert_int_equal(program_faults, on_top ? 101 : 201);
		}
		trap_begin_use();
	}
	trap_put();
	sigaction(SIGSEGV, &old, NULL);
	assert_int_equal(trap_get(), 0);
}

/*
 * Handlers that are installed and removed and never pass signals on: ours is installed again at
 * each new use.
 */
static void test_handlers_that_do_not_pass_on(void **state)
{
	struct sigaction old;

	program_handler(SIGSEGV, NULL, SA_SIGINFO, &old);
	for (int i = 0; i < 100; i++) {
		program_handler(SIGSEGV, i & 1 ? jump_back_simply : NULL, i & 1 ? 0 : SA_SIGINFO,
				NULL);
		trap_begin_use();
		fault_with_ours();
		assert_int_equal(program_faults, i);
		assert_true(program_faults_at(pages + PAGE_BYTES));
		assert_int_equal(program_faults, i + 1);
	}
	sigaction(SIGSEGV, &old, NULL);
}

/*
 * While there is no use, ours is not installed, but a signal that is passed to it still reaches a
 * handler.
 */
static void test_ours_after_the_last_use(void **state)
{
	struct sigaction act = {.sa_sigaction = pass_to_ours, .sa_flags = SA_SIGINFO}, old, now;

	trap_put();
	program_handler(SIGSEGV, NULL, SA_SIGINFO, &old);
	assert_int_equal(trap_get(), 0);
	sigaction(SIGSEGV, &act, &ours);
	trap_put();
	trap_begin_use();
	sigaction(SIGSEGV, NULL, &now);
	assert_ptr_equal(now.sa_sigaction, pass_to_ours);
	assert_true(program_faults_at(pages + PAGE_BYTES));
	assert_int_equal(program_faults, 101);
	sigaction(SIGSEGV, &old, NULL);
	assert_int_equal(trap_get(), 0);
}

/* A signal that is ignored when it is sent; an access still ends the process. */
static void test_ignored(void **state)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN}, old;

	trap_put();
	sigaction(SIGSEGV, &ignore, &old);
	assert_int_equal(trap_get(), 0);
	raise(SIGSEGV);
	assert_false(child_survives(fault_plainly));
	trap_put();
	sigaction(SIGSEGV, &old, NULL);
	assert_int_equal(trap_get(), 0);
}

static void test_no_handler(void **state)
{
	struct sigaction before, now;

	trap_put();
	sigaction(SIGSEGV, NULL, &before);
	for (u64 n = 1; n <= 2; n++) {
		rig_fail(FAIL_MEMORY, n);
		assert_int_equal(trap_get(), -EAGAIN);
		assert_non_null(strstr(error_text(), "SIGSEGV"));
		sigaction(SIGSEGV, NULL, &now);
		assert_ptr_equal(now.sa_sigaction, before.sa_sigaction);
	}
	rig_fail_none();
	assert_int_equal(trap_get(), 0);
	assert_int_equal(trap_get(), 0);
	trap_put();
	fault_with_ours();
}

#define with_trap(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_trap(test_words),
		with_trap(test_words_that_are_gone),
		with_trap(test_copies_of_every_size),
		with_trap(test_copies_that_meet_a_hole),
		with_trap(test_probes),
		with_trap(test_a_file_that_is_cut_short),
		with_trap(test_a_thread_that_blocks_signals),
		with_trap(test_a_handler_that_was_there),
		with_trap(test_a_simple_handler_for_one_time),
		with_trap(test_the_default),
		with_trap(test_a_handler_that_passes_on),
		with_trap(test_handlers_that_do_not_pass_on),
		with_trap(test_ours_after_the_last_use),
		with_trap(test_ignored),
		with_trap(test_no_handler),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
