/* SPDX-License-Identifier: BSD-2-Clause */
/* A driver without mistakes that allocates nothing. */
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/delay.h>

static int input_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	return 0;
}
static const struct pci_device_id input_ids[] = {{PCI_DEVICE(PCI_ANY_ID, PCI_ANY_ID)}, {0}};
static struct pci_driver input_driver = {
	.name = "plain", .id_table = input_ids, .probe = input_probe};
module_pci_driver(input_driver);
MODULE_LICENSE("Dual BSD/GPL");
