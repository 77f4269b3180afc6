/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each kind of misuse has a demonstration: its wrong program raises that kind once and no other
 * kind; its right program raises none.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../cli/check_demo.h"
#include "base/compiler.h"

#include <stdio.h>

static char text[16384];

static void regcache(const struct dmamap_report *r, void *arg)
{
	size_t n = strlen(text);

	snprintf(text + n, sizeof(text) - n, "%s: %s\n", r->name, r->text);
}

static bool can_run(const struct check_demo *d)
{
#ifdef BUILT_WITH_ASAN
	/* there the sanitizer reports the access and ends the program */
	return d->kind != DMAMAP_CHECK_OWN_CPU_READ;
#elif defined(BUILT_WITH_TSAN)
	/* it permits no handler of a fault to allocate memory, also where the fault was expected */
	return !d->needs_asan && d->kind != DMAMAP_CHECK_OWN_CPU_READ &&
	       d->kind != DMAMAP_CHECK_OWN_CPU_WRITE;
#else
	return !d->needs_asan;
#endif
}

/* Kinds that involve no earlier call. */
static bool has_no_past(int kind)
{
	switch (kind) {
	case DMAMAP_CHECK_BAD_ARGUMENT:
	case DMAMAP_CHECK_MAP_STACK:
	case DMAMAP_CHECK_MAP_TEXT:
	case DMAMAP_CHECK_MAP_FREED:
	case DMAMAP_CHECK_MAP_RESOURCE:
	case DMAMAP_CHECK_MAP_NO_MASK:
	case DMAMAP_CHECK_SEGMENT_SIZE:
	case DMAMAP_CHECK_SEGMENT_BOUNDARY:
	case DMAMAP_CHECK_DEVICE_FAULT:
	case DMAMAP_CHECK_DEVICE_NOT_MAPPED:
	case DMAMAP_CHECK_IOVA_NOT_LINKED:
	case DMAMAP_CHECK_FREE_WRONG:
		return true;
	default:
		return false;
	}
}

/*
 * A report has the stack of the other call involved in the mistake: one whose heading is not
 * "here".
 */
static bool names_past(const char *report)
{
	for (const char *p = report; (p = strstr(p, "\n  ")); p += 3)
		if (p[3] != ' ' && strncmp(p + 3, "here:", 5) != 0)
			return true;
	return false;
}

static void test_wrong(void **state)
{
	for (int kind = 1; kind < DMAMAP_CHECK_KINDS; kind++) {
		const struct check_demo *d = demo_find(kind);
		unsigned int others = 0;
		int n;

		if (!d)
			fail_msg("%s has no demonstration", dmamap_check_name(kind));
		if (!can_run(d))
			continue;
		text[0] = 0;
		n = demo_run(d, true, &others);
		if (n != 1 || others)
			fail_msg("%s: raised %d times, others %u times:\n%s",
				 dmamap_check_name(kind), n, others, text);
		if (!has_no_past(kind) && !names_past(text))
			fail_msg("%s has one stack only:\n%s", dmamap_check_name(kind), text);
	}
}

static void test_right(void **state)
{
	for (int kind = 1; kind < DMAMAP_CHECK_KINDS; kind++) {
		unsigned int others = 0;
		int n;

		text[0] = 0;
		n = demo_run(demo_find(kind), false, &others);
		if (n || others)
			fail_msg("%s's twin: raised %d times, others %u times:\n%s",
				 dmamap_check_name(kind), n, others, text);
	}
}

static void test_names(void **state)
{
	for (int kind = 1; kind < DMAMAP_CHECK_KINDS; kind++) {
		assert_non_null(dmamap_check_name(kind));
		assert_non_null(dmamap_check_meaning(kind));
		for (int other = 1; other < kind; other++)
			assert_string_not_equal(dmamap_check_name(kind), dmamap_check_name(other));
	}
	assert_null(dmamap_check_name(0));
	assert_null(dmamap_check_name(DMAMAP_CHECK_KINDS));
	assert_null(dmamap_check_meaning(DMAMAP_CHECK_KINDS));
}

int main(void)
{
	const char *preload = getenv("LD_PRELOAD");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_right),
	};

	dmamap_check_on_report(regcache, NULL);
	if (preload && strstr(preload, "vgpreload")) {
		puts("1..0 # SKIP valgrind itself names what the CPU does to buffers that it does "
		     "not own");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
