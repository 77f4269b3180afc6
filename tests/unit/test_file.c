/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether two paths are one file: links, files that do not exist yet, files without contents. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[32];

static int begin(void **state)
{
	strcpy(folder, "/tmp/dmamap-file-XXXXXX");
	return !mkdtemp(folder) || chdir(folder) || close(creat("a", 0600)) ||
	       close(creat("b", 0600)) || symlink("a", "soft") || link("a", "hard") ||
	       symlink("missing", "dangling") || mkdir("sub", 0700) || mkfifo("pipe", 0600);
}

static int end(void **state)
{
	static const char *const names[] = {"a", "b", "soft", "hard", "dangling", "pipe"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(names[i]);
	return rmdir("sub") || chdir("/") || rmdir(folder);
}

static void test_there(void **state)
{
	char whole[64];

	strcpy(whole, folder);
	strcat(whole, "/sub/../a");
	assert_true(file_same("a", "a"));
	assert_true(file_same("a", "./a"));
	assert_true(file_same("a", whole));
	assert_true(file_same("soft", "hard"));
	assert_false(file_same("a", "b"));
	assert_false(file_same("soft", "b"));
	assert_false(file_same("a", "missing"));
	assert_false(file_same("missing", "a"));
}

static void test_not_there(void **state)
{
	char whole[64], longest[5000];

	strcpy(whole, folder);
	strcat(whole, "/new");
	assert_true(file_same("new", "new"));
	assert_true(file_same("new", "./new"));
	assert_true(file_same("sub/../new", whole));
	assert_false(file_same("new", "other"));
	assert_false(file_same("new", "sub/new"));
	assert_false(file_same("none/new", "none/new")); /* nor can it be created */
	assert_false(file_same("/", "sub/none"));
	memset(longest, 'x', sizeof(longest));
	longest[4500] = '/';
	longest[sizeof(longest) - 1] = 0;
	assert_false(file_same(longest, longest));
}

/* Nothing is overwritten there. */
static void test_keeps_nothing(void **state)
{
	assert_false(file_same("/dev/null", "/dev/null"));
	assert_false(file_same("pipe", "pipe"));
	assert_false(file_same("sub", "sub"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there),
		cmocka_unit_test(test_not_there),
		cmocka_unit_test(test_keeps_nothing),
	};

	return cmocka_run_group_tests_name("file", tests, begin, end);
}
