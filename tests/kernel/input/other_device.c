/* SPDX-License-Identifier: BSD-2-Clause */
/* A driver for another device. */
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/delay.h>

static int input_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	return 0;
}
static const struct pci_device_id input_ids[] = {{PCI_DEVICE(0x1234, 0x5678)}, {0}};
static struct pci_driver input_driver = {
	.name = "input", .id_table = input_ids, .probe = input_probe};
module_pci_driver(input_driver);
MODULE_LICENSE("Dual BSD/GPL");
