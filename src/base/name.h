/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first members of struct device (domain/device.h), for the layers below it: they print the
 * name of a device and use nothing else of it. <dmamap/device.h> declares dev_name().
 */
#ifndef BASE_NAME_H
#define BASE_NAME_H

struct __dma_link_limits;

struct device_head {
	const struct __dma_link_limits *link_limits; /* the inline dma_iova_link() reads it */
	char *name;
} __attribute__((may_alias));

#endif
