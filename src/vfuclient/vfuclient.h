/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices of another process that serves them over a socket (`vfio-user:`): `dmamap serve`, or any
 * other server of the protocol vfio-user. The server is not trusted: see docs/vfio-user-client.md.
 */
#ifndef VFUCLIENT_VFUCLIENT_H
#define VFUCLIENT_VFUCLIENT_H

#include "domain/hw.h"

extern const struct hw_ops hw_vfio_user;

#endif
