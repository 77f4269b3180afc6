/* SPDX-License-Identifier: BSD-2-Clause */
/* A module that uses a null pointer after it allocated memory. */
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
