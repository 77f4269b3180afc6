/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PCI functions of this machine that are bound to vfio-pci and isolated by the kernel's IOMMU,
 * either in a VFIO container (`vfio:`) or by iommufd (`iommufd:`).
 */
#ifndef VFIO_VFIO_H
#define VFIO_VFIO_H

#include "domain/hw.h"

extern const struct hw_ops hw_vfio, hw_iommufd;

#endif
