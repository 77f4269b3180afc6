/* SPDX-License-Identifier: BSD-2-Clause */
/* A module whose init function allocates memory and then dereferences a null pointer. */
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/delay.h>

static int *volatile nothing;
static void *kept;
static int __init input_init(void)
{
	kept = kmalloc(100, GFP_KERNEL);
	return *nothing;
}
module_init(input_init);
MODULE_LICENSE("Dual BSD/GPL");
