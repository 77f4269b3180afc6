/* SPDX-License-Identifier: BSD-2-Clause */
/* A module whose init function fails. */
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/delay.h>

static int __init input_init(void)
{
	return -ENODEV;
}
module_init(input_init);
MODULE_LICENSE("Dual BSD/GPL");
