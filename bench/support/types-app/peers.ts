/** The library's peers, which both sides of the comparison load. */
import { S3Client } from '@aws-sdk/client-s3'
import { ShapeStream } from '@electric-sql/client'
import { electricCollectionOptions } from '@tanstack/electric-db-collection'
import { Kysely } from 'kysely'
import { setupServer } from 'msw/node'
import { Pool } from 'pg'
import { Registry } from 'prom-client'

export const client = new S3Client({})
export const pool = new Pool()
export type Request = globalThis.Request
export const loaded = [Kysely, Registry, ShapeStream, electricCollectionOptions, setupServer]
