"""What handlers of pages are given, as annotations: `def show(request: Request, house: TheHouse, who: TheVisitor)`."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends

from stocktake.serve.gate.house import House, house
from stocktake.serve.gate.visitor import Visitor, visitor

TheHouse = Annotated[House, Depends(house)]
TheVisitor = Annotated[Visitor, Depends(visitor)]
