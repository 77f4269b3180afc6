/* SPDX-License-Identifier: BSD-2-Clause */
/* A module that does not compile: an unknown name and an unknown header. */
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/delay.h>

static int __init input_init(void)
{
	return NO_SUCH_NAME;
}
module_init(input_init);
MODULE_LICENSE("Dual BSD/GPL");
