/* SPDX-License-Identifier: BSD-2-Clause */
/* The module runs the case that its parameter names, or lists all cases. */
#include "cases.h"

extern const struct test_case __start_kmod_cases[], __stop_kmod_cases[];
void kmod_event(const char *fmt, ...);

struct pci_dev *test_pdev;
static char *run = "";
module_param(run, charp, 0444);

static void case_run(int flags)
{
	for (const struct test_case *c = __start_kmod_cases; c < __stop_kmod_cases; c++) {
		if (!strcmp(c->name, run) && (c->flags & (CASE_PCI | CASE_EXIT)) == flags) {
			kmod_event("\"ran\":true");
			c->fn();
		}
	}
}

static int case_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	test_pdev = pdev;
	case_run(CASE_PCI);
	return 0;
}

static const struct pci_device_id case_ids[] = {
	{PCI_DEVICE(PCI_ANY_ID, PCI_ANY_ID), .class_mask = 0}, {0}};
static struct pci_driver case_driver = {.name = "cases", .id_table = case_ids, .probe = case_probe};

int kmod_user_script(void);
int kmod_user_script(void)
{
	return 0;
}

static int __init case_init(void)
{
	for (const struct test_case *c = __start_kmod_cases; !run[0] && c < __stop_kmod_cases; c++)
		kmod_event("\"case\":\"%s\",\"expect\":\"%s\",\"flags\":%d", c->name, c->expect,
			   c->flags);
	case_run(0);
	return pci_register_driver(&case_driver);
}

static void __exit case_exit(void)
{
	pci_unregister_driver(&case_driver);
	case_run(CASE_EXIT);
}

module_init(case_init);
module_exit(case_exit);
MODULE_LICENSE("Dual BSD/GPL");
