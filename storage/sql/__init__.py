"""Records to rows and back; the only folder that imports sqlalchemy and alembic."""
