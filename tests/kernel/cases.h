/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cases of the kernel runtime's tests. A case is a function and the kind of finding that it must
 * raise; "" means none. test_kernel.py runs each case in a process of its own; the module's
 * parameter `run` names the case.
 */
#ifndef TESTS_KERNEL_CASES_H
#define TESTS_KERNEL_CASES_H

#include <linux/module.h>
#include <linux/pci.h>
#include <linux/workqueue.h>

struct test_case {
	const char *name, *expect;
	void (*fn)(void);
	int flags;
};
#define CASE_PCI     1 /* needs a PCI device: it runs in probe */
#define CASE_NO_TSAN 2 /* a misuse that cannot run under ThreadSanitizer */
#define CASE_EXIT    4 /* runs last, in module_exit */

#define CASE_FLAGS(n, e, f)                                                                        \
	static void n(void);                                                                       \
	KMOD_ENTRY("kmod_cases", struct test_case, {#n, e, n, f});                                 \
	static void noinline n(void)
#define CASE(n, e)	CASE_FLAGS(n, e, 0)
#define CASE_ASAN(n, e) CASE_FLAGS(n, e, CASE_NO_TSAN)
#define PCI_CASE(n, e)	CASE_FLAGS(n, e, CASE_PCI)
#define CHECK(c)                                                                                   \
	do {                                                                                       \
		if (!(c))                                                                          \
			kmod_finding("test-failed", "%s:%d: %s", __FILE__, __LINE__, #c);          \
	} while (0)

extern struct pci_dev *test_pdev;

#endif
