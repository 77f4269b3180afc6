/* SPDX-License-Identifier: BSD-2-Clause */
/* Reports: the kinds, the program's callback, standard error without a callback, and abort. */
#include "core_rig.h"

#include "check/check.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static struct device *dev;
static struct {
	int n, kind;
	dma_addr_t addr;
	size_t size;
	enum dma_data_direction dir;
	const struct device *dev;
	char text[500], name[64];
} last;

static void on_report(const struct dmamap_report *r, void *arg)
{
	last.n++;
	last.kind = r->kind;
	last.addr = r->addr;
	last.size = r->size;
	last.dir = r->dir;
	last.dev = r->dev;
	snprintf(last.text, sizeof(last.text), "%s", r->text);
	snprintf(last.name, sizeof(last.name), "%s", r->name);
	assert_ptr_equal(arg, &last);
	/* the calls that a callback may make */
	assert_non_null(dev_name(r->dev));
	assert_true(dmamap_check_count(r->kind) > 0);
}

static int setup(void **state)
{
	memset(&last, 0, sizeof(last));
	dev = dmamap_open("sim,ram=64M,name=looked-at");
	dmamap_check_on_report(on_report, &last);
	return dev ? 0 : -1;
}

static int teardown(void **state)
{
	dmamap_check_on_report(NULL, NULL);
	dmamap_close(dev);
	return 0;
}

static void test_kinds_can_be_listed(void **state)
{
	int n = 1;

	for (; dmamap_check_name(n); n++)
		for (int k = 1; k < n; k++)
			assert_string_not_equal(dmamap_check_name(n), dmamap_check_name(k));
	assert_int_equal(n, DMAMAP_CHECK_KINDS);
	assert_null(dmamap_check_name(0));
	assert_null(dmamap_check_name(-1));
	assert_null(dmamap_check_name(1000));
	assert_int_equal(dmamap_check_count(-1), 0);
	assert_int_equal(dmamap_check_count(1000), 0);
}

static void test_a_report(void **state)
{
	u64 of_kind = dmamap_check_count(DMAMAP_CHECK_LEAK), all = dmamap_check_count(0);

	assert_int_equal(
		check_report(dev, true, DMAMAP_CHECK_LEAK, 0x1000, 64, DMA_TO_DEVICE, "lost %d", 3),
		-EINVAL);
	assert_int_equal(last.n, 1);
	assert_int_equal(last.kind, DMAMAP_CHECK_LEAK);
	assert_int_equal(last.addr, 0x1000);
	assert_int_equal(last.size, 64);
	assert_int_equal(last.dir, DMA_TO_DEVICE);
	assert_ptr_equal(last.dev, dev);
	assert_string_equal(last.text, "lost 3");
	assert_string_equal(last.name, dmamap_check_name(DMAMAP_CHECK_LEAK));
	assert_int_equal(dmamap_check_count(DMAMAP_CHECK_LEAK), of_kind + 1);
	assert_int_equal(dmamap_check_count(0), all + 1);
	assert_string_equal(dmamap_strerror(), "looked-at: lost 3");
}

/* With the checker off, the error message is set nevertheless. */
static void test_off(void **state)
{
	u64 all = dmamap_check_count(0);

	error_set(EIO, "old");
	errno = 0;
	assert_int_equal(check_report(dev, false, DMAMAP_CHECK_LEAK, 0, 0, DMA_NONE, "quiet"),
			 -EINVAL);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(last.n, 0);
	assert_int_equal(dmamap_check_count(0), all);
	assert_string_equal(dmamap_strerror(), "looked-at: quiet");
}

static void test_no_device(void **state)
{
	check_report(NULL, true, DMAMAP_CHECK_BAD_ARGUMENT, 0, 0, DMA_NONE, "nobody");
	assert_int_equal(last.n, 1);
	assert_null(last.dev);
	assert_non_null(strstr(dmamap_strerror(), "nobody"));
}

/* In a child: its standard error, and its exit status. */
static int in_child(const char *env, bool callback, char *out, size_t size)
{
	bool on, own;
	int fd[2], status;
	size_t length = 0;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(fd), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		signal(SIGABRT, SIG_DFL);
		dup2(fd[1], 2);
		if (env)
			setenv("DMAMAP_CHECK", env, 1);
		else
			unsetenv("DMAMAP_CHECK");
		if (!callback)
			dmamap_check_on_report(NULL, NULL);
		check_environment(&on, &own);
		check_report(dev, on, DMAMAP_CHECK_LEAK, 0, 0, DMA_NONE, "seen by a reader");
		_exit(0);
	}
	close(fd[1]);
	while (length < size - 1 && (n = read(fd[0], out + length, size - 1 - length)) > 0)
		length += (size_t)n;
	out[length] = 0;
	close(fd[0]);
	waitpid(pid, &status, 0);
	return status;
}

static void test_standard_error_without_a_callback(void **state)
{
	char out[500];

	assert_int_equal(in_child("1", false, out, sizeof(out)), 0);
	assert_non_null(strstr(out, "looked-at"));
	assert_non_null(strstr(out, "leak"));
	assert_non_null(strstr(out, "seen by a reader"));
	assert_int_equal(in_child("1", true, out, sizeof(out)), 0);
	assert_string_equal(out, "");
	assert_int_equal(in_child("0", false, out, sizeof(out)), 0);
	assert_string_equal(out, "");
	assert_int_equal(in_child(NULL, false, out, sizeof(out)), 0);
	assert_string_equal(out, "");
	assert_int_equal(in_child("", false, out, sizeof(out)), 0);
	assert_string_equal(out, "");
}

static void test_abort_at_the_first(void **state)
{
	char out[500];
	int status = in_child("abort", true, out, sizeof(out));

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

#define with_device(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_device(test_kinds_can_be_listed),
		with_device(test_a_report),
		with_device(test_off),
		with_device(test_no_device),
		with_device(test_standard_error_without_a_callback),
		with_device(test_abort_at_the_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
