/* SPDX-License-Identifier: BSD-2-Clause */
/* A module that calls a function that is not implemented. */
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/delay.h>

int no_such_function(int);
static int __init input_init(void)
{
	return no_such_function(1);
}
module_init(input_init);
MODULE_LICENSE("Dual BSD/GPL");
