/* SPDX-License-Identifier: BSD-2-Clause */
/* A module whose init function never returns. */
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/delay.h>

static volatile int never;
static int __init input_init(void)
{
	while (!never)
		msleep(10);
	return 0;
}
module_init(input_init);
MODULE_LICENSE("Dual BSD/GPL");
